package tokenservice

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"token-fetch/internal/schema"
)

// This file reads moments and lengths of time in the forms in which services write them. What would have to be
// guessed is not read: a date without its zone, or one whose day and month may be the other way round.

// number reads a number, or its text.
func number(value gjson.Result) (n float64, ok bool) {
	switch value.Type {
	case gjson.Number:
		return value.Num, !math.IsNaN(value.Num)
	case gjson.String:
		n, err := strconv.ParseFloat(strings.TrimSpace(value.String()), 64)
		return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
	default:
		return 0, false
	}
}

// seconds converts without overflow.
func seconds(n float64) time.Duration {
	return time.Duration(min(max(n, -1), schema.MaxSeconds) * float64(time.Second))
}

// expiresIn reads a lifetime: seconds, of which at least PayPal sends a string where RFC 6749 section 5.1 has a number, or
// a text with units. A number of seconds that is a moment of these years is none: the token would live for decades.
func expiresIn(value gjson.Result, now time.Time) (time.Duration, bool) {
	if n, ok := number(value); ok {
		const year = 365 * 24 * time.Hour
		if at := instant(n); at.After(now.Add(-year)) && at.Before(now.Add(5*year)) {
			return 0, false
		}
		return seconds(n), true
	}
	return lengthWithUnits(strings.TrimSpace(value.Str))
}

// lengthWithUnits reads 3600s, as Google's APIs have it, 1h30m, 7d, and PT1H of ISO 8601.
func lengthWithUnits(text string) (length time.Duration, ok bool) {
	text = strings.ToLower(strings.ReplaceAll(text, " ", ""))
	if text == "" || !strings.ContainsAny(text[:1], digits+"p") {
		return 0, false
	}
	text, isISO := strings.CutPrefix(text, "p")
	if days, rest, hasDays := strings.Cut(text, "d"); hasDays {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || n < 0 || n > schema.MaxSeconds {
			return 0, false
		}
		length, text = seconds(n*24*3600), rest
		if text == "" {
			return length, true
		}
	}
	if isISO {
		var hasTime bool
		if text, hasTime = strings.CutPrefix(text, "t"); !hasTime {
			return 0, false
		}
	}
	rest, err := time.ParseDuration(text)
	return min(length+min(rest, schema.MaxSeconds*time.Second), schema.MaxSeconds*time.Second), err == nil && rest >= 0
}

// untilEnd reads an absolute end: a date with its zone, or a number since 1970.
func untilEnd(value gjson.Result, a *Answer, sentAt time.Time) (time.Duration, bool) {
	if n, ok := number(value); ok {
		if n <= 0 {
			return 0, true
		}
		return a.until(instant(n), sentAt, false), true
	}
	at, ok := parseMoment(value.Str, sentAt)
	return a.until(at, sentAt, false), ok
}

// zonedLayouts are the forms of ISO 8601 and their relatives, with a zone at the end. Go takes a fraction of a second
// behind each that has seconds.
var zonedLayouts = func() (layouts []string) {
	for _, day := range []string{"2006-01-02T", "2006-01-02 ", "20060102T", "2006/01/02 ", "2006/01/02T"} {
		for _, clock := range []string{"15:04:05", "15:04", "150405", "1504"} {
			for _, zone := range []string{"Z07:00", "Z0700", "Z07", " Z07:00", " Z0700"} {
				layouts = append(layouts, day+clock+zone)
			}
		}
	}
	return append(layouts, time.RFC1123Z, time.RFC822Z, time.RubyDate, "Mon, 2 Jan 2006 15:04:05 -0700")
}()

// parseMoment reads a date that says its zone. Letters may be small (RFC 3339 section 5.6), and
// UTC or GMT may stand for Z.
func parseMoment(text string, now time.Time) (time.Time, bool) {
	text = strings.TrimSpace(text)
	if at, ok := parseDate(text, now); ok {
		return at, true
	}
	if ticks, isTicks := strings.CutPrefix(text, "/Date("); isTicks { // of older .NET: milliseconds since 1970
		ticks, _, _ = strings.Cut(ticks, ")")
		n, err := strconv.ParseInt(ticks, 10, 64)
		return time.UnixMilli(n), err == nil
	}
	text, _, _ = strings.Cut(text, "[") // of newer Java: the zone's name behind its offset
	upper := strings.ToUpper(text)
	for _, name := range []string{" UTC ", " GMT "} { // of date and older Java, before the year
		if at, err := time.Parse(time.ANSIC, strings.Replace(text, name, " ", 1)); err == nil {
			return at, true
		}
	}
	for _, name := range []string{" UTC", " GMT", "UTC", "GMT"} {
		if moment, found := strings.CutSuffix(upper, name); found {
			upper = strings.TrimSpace(moment)
			if !strings.ContainsAny(upper[min(len(upper), len("2006-01-02")):], "+-Z") {
				upper += "Z"
			}
			break
		}
	}
	for _, layout := range zonedLayouts {
		for _, candidate := range []string{upper, text} {
			if at, err := time.Parse(layout, candidate); err == nil {
				return at, true
			}
		}
	}
	return time.Time{}, false
}

// httpLayouts are the three forms of a date that a recipient must know (RFC 9110 section 5.6.7), and that of
// cookies, with dashes and the whole year.
var httpLayouts = []string{"Mon, 02 Jan 2006 15:04:05 ", "Monday, 02-Jan-06 15:04:05 ", "Mon, 02-Jan-2006 15:04:05 ", "Mon, 2 Jan 2006 15:04:05 "}

// parseDate reads a date of HTTP, which is in GMT whatever its form.
func parseDate(text string, now time.Time) (time.Time, bool) {
	text = strings.TrimSpace(text)
	if at, err := time.Parse(time.ANSIC, text); err == nil {
		return at, true
	}
	moment := text[:max(len(text)-len("GMT"), 0)]
	if zone := text[len(moment):]; !strings.EqualFold(zone, "GMT") && !strings.EqualFold(zone, "UTC") {
		return time.Time{}, false // Go would take any other name of a zone for UTC
	}
	for i, layout := range httpLayouts {
		at, err := time.Parse(layout, moment)
		if err != nil {
			continue
		}
		// Of a year's two digits, Go takes 69 to 99 for the last century's. RFC 9110 has them in the
		// next one, unless that is more than 50 years ahead.
		if next := at.AddDate(100, 0, 0); i == 1 && !next.After(now.AddDate(50, 0, 0)) {
			at = next
		}
		return at, true
	}
	return time.Time{}, false
}

// allHeaders joins the values of one header (RFC 9110 section 5.3).
func allHeaders(headers [][2]string, name string) (joined string, ok bool) {
	for _, header := range headers {
		switch {
		case header[0] != name:
		case !ok: // mostly the only one, which needs no memory of its own
			joined, ok = header[1], true
		default:
			joined += "," + header[1]
		}
	}
	return joined, ok
}

// maxAge reads Cache-Control (RFC 9111 section 5.2.2). What a proxy on the way
// has already used up of the time is in Age (section 5.1).
func maxAge(control string, headers [][2]string) (lifetime time.Duration, isForbidden, ok bool) {
	for directive := range strings.SplitSeq(control, ",") {
		name, argument, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return 0, true, true
		case "max-age":
			seconds, isNumber := deltaSeconds(strings.Trim(argument, `"`))
			if isNumber && (!ok || seconds < lifetime) { // of several, the shortest
				ok, lifetime = true, seconds
			}
		}
	}
	if age, hasAge := FirstHeader(headers, "age"); ok && hasAge {
		if used, isNumber := deltaSeconds(strings.TrimSpace(age)); isNumber {
			lifetime = max(lifetime-used, 0)
		}
	}
	return lifetime, false, ok
}

// untilExpires takes the service's own clock, its Date, when it is there; what is
// not a date has expired (RFC 9111 section 5.3).
func untilExpires(expires string, a *Answer, now time.Time) time.Duration {
	at, ok := parseDate(expires, now)
	if !ok {
		return 0
	}
	if date, ok := a.date(now); ok {
		now = date
	}
	return at.Sub(now)
}

// shapeOf describes a value without showing it, as it may be a token or a secret: letters and digits are those of
// the alphabet's and the numbers' ends, and all else that is not of a date's own signs is hidden.
func shapeOf(value gjson.Result) string {
	const limit = 40
	switch {
	case value.IsObject():
		return "an object"
	case value.IsArray():
		return "a list"
	case value.IsBool():
		return "true or false"
	}
	text := value.String()
	if len(text) > limit {
		return "a text of " + strconv.Itoa(len(text)) + " bytes"
	}
	return strconv.Quote(strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9':
			return '9'
		case r >= 'a' && r <= 'z':
			return 'a'
		case r >= 'A' && r <= 'Z':
			return 'A'
		case strings.ContainsRune(" -+:/.,", r):
			return r
		default:
			return '?'
		}
	}, text))
}
