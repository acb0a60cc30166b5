package tokenservice

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"token-fetch/internal/schema"
)

// This file parses dates and durations in the formats that services use. It does not guess: dates without a zone, or
// with day and month possibly swapped, are not accepted.

// number parses a number, or a string that is one.
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

// expiresIn parses a lifetime: seconds, which at least PayPal sends as a string although RFC 6749 section 5.1 has a
// number, or text with units. A number that is a date of recent years is refused: as a lifetime it would be decades.
func expiresIn(value gjson.Result, now time.Time) (time.Duration, bool) {
	if n, ok := number(value); ok {
		const year = 365 * 24 * time.Hour
		if t := instant(n); t.After(now.Add(-year)) && t.Before(now.Add(5*year)) {
			return 0, false
		}
		return seconds(n), true
	}
	return lengthWithUnits(strings.TrimSpace(value.Str))
}

// lengthWithUnits parses 3600s, as in Google's APIs, 1h30m, 7d, and ISO 8601 durations such as PT1H.
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

// untilEnd parses an absolute end: a date with its zone, or a number since 1970.
func untilEnd(value gjson.Result, resp *Response, sentAt time.Time) (time.Duration, bool) {
	if n, ok := number(value); ok {
		if n <= 0 {
			return 0, true
		}
		return resp.until(instant(n), sentAt, false), true
	}
	t, ok := parseMoment(value.Str, sentAt)
	return resp.until(t, sentAt, false), ok
}

// zonedLayouts are variants of ISO 8601 and related formats that end in a zone. Go also accepts fractions after
// seconds.
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

// parseMoment parses a date with a zone. Letters may be in lower case (RFC 3339 section 5.6), and UTC or GMT may
// replace Z.
func parseMoment(text string, now time.Time) (time.Time, bool) {
	text = strings.TrimSpace(text)
	if t, ok := parseDate(text, now); ok {
		return t, true
	}
	if ticks, isTicks := strings.CutPrefix(text, "/Date("); isTicks { // older .NET: milliseconds since 1970
		ticks, _, _ = strings.Cut(ticks, ")")
		n, err := strconv.ParseInt(ticks, 10, 64)
		return time.UnixMilli(n), err == nil
	}
	text, _, _ = strings.Cut(text, "[") // newer Java appends the zone's name to its offset
	upper := strings.ToUpper(text)
	for _, name := range []string{" UTC ", " GMT "} { // date(1) and older Java put the zone before the year
		if t, err := time.Parse(time.ANSIC, strings.Replace(text, name, " ", 1)); err == nil {
			return t, true
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
			if t, err := time.Parse(layout, candidate); err == nil {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

// httpLayouts are the date formats that recipients must accept (RFC 9110 section 5.6.7), and that of cookies, with
// dashes and a four-digit year.
var httpLayouts = []string{"Mon, 02 Jan 2006 15:04:05 ", "Monday, 02-Jan-06 15:04:05 ", "Mon, 02-Jan-2006 15:04:05 ", "Mon, 2 Jan 2006 15:04:05 "}

// parseDate parses an HTTP date, which is in GMT in every format.
func parseDate(text string, now time.Time) (time.Time, bool) {
	text = strings.TrimSpace(text)
	if t, err := time.Parse(time.ANSIC, text); err == nil {
		return t, true
	}
	moment := text[:max(len(text)-len("GMT"), 0)]
	if zone := text[len(moment):]; !strings.EqualFold(zone, "GMT") && !strings.EqualFold(zone, "UTC") {
		return time.Time{}, false // Go would take any other zone name for UTC
	}
	for i, layout := range httpLayouts {
		t, err := time.Parse(layout, moment)
		if err != nil {
			continue
		}
		// Go maps two-digit years 69 to 99 to the last century. RFC 9110 maps them to the current one, unless that is
		// more than 50 years ahead.
		if next := t.AddDate(100, 0, 0); i == 1 && !next.After(now.AddDate(50, 0, 0)) {
			t = next
		}
		return t, true
	}
	return time.Time{}, false
}

// allHeaders joins the values of a header (RFC 9110 section 5.3).
func allHeaders(headers [][2]string, name string) (joined string, ok bool) {
	for _, header := range headers {
		switch {
		case header[0] != name:
		case !ok: // avoids an allocation in the common case
			joined, ok = header[1], true
		default:
			joined += "," + header[1]
		}
	}
	return joined, ok
}

// maxAge parses Cache-Control (RFC 9111 section 5.2.2), less the Age that intermediate caches report (section 5.1).
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

// untilExpires uses the service's clock, its Date, if present. An invalid date has expired (RFC 9111 section 5.3).
func untilExpires(expires string, resp *Response, now time.Time) time.Duration {
	t, ok := parseDate(expires, now)
	if !ok {
		return 0
	}
	if date, ok := resp.date(now); ok {
		now = date
	}
	return t.Sub(now)
}

// shapeOf describes a value without revealing it, as it may be a token or a secret: letters and digits are replaced,
// and everything else that does not occur in dates is hidden.
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
