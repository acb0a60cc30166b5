package tokenservice

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"token-fetch/internal/schema"
)

// lifetimes is how long tokens live.
type lifetimes struct {
	ttl           time.Duration // when the answer names none
	maxTTL        time.Duration // 0: no cap
	expiresAtPath string        // empty: the answer has no absolute end
	expiresInPath string
	// heedsCacheControl: Cache-Control and Expires say how long a token lives. Not with OAuth 2.0, where
	// every token answer has no-store (RFC 6749 section 5.1), nor when the configuration says so.
	heedsCacheControl bool
}

func readLifetimes(cache schema.Section, isOAuth2 bool) lifetimes {
	return lifetimes{
		ttl:               cache.Seconds(keyTTL),
		maxTTL:            cache.Seconds(keyMaxTTL),
		expiresAtPath:     cache.JSONPath(keyExpiresAtPath),
		expiresInPath:     cache.JSONPath(keyExpiresInPath),
		heedsCacheControl: !cache.Bool(keyIgnoreCacheControl) && !isOAuth2,
	}
}

// of returns for how long the answer's token may be used, counted from sentAt, when the
// call was sent; 0 for a token that must not be kept. It is the first of: the JSON's
// absolute end, its expires_in, Cache-Control, Expires, the token's own exp, the configured ttl; and never longer
// than the token's own exp allows. noStore reports whether it was Cache-Control that forbade to keep it.
func (l *lifetimes) of(a *Answer, token string, sentAt time.Time) (lifetime time.Duration, noStore bool) {
	lifetime, noStore, named := l.named(a, sentAt)
	exp, hasExp := jwtExpiry(token)
	switch {
	case !named && hasExp:
		lifetime = exp.Sub(sentAt)
	case !named:
		lifetime = l.ttl
	case hasExp:
		lifetime = min(lifetime, exp.Sub(sentAt))
	}
	if l.maxTTL > 0 {
		lifetime = min(lifetime, l.maxTTL)
	}
	return min(max(lifetime, 0), schema.MaxSeconds*time.Second), noStore
}

// named is the one that the token service names beside the token.
func (l *lifetimes) named(a *Answer, sentAt time.Time) (lifetime time.Duration, noStore, ok bool) {
	if l.expiresAtPath != "" {
		if lifetime, ok := untilEnd(a.json(l.expiresAtPath), sentAt); ok {
			return lifetime, false, true
		}
	}
	if lifetime, ok := expiresIn(a.json(l.expiresInPath)); ok {
		return lifetime, false, true
	}
	if !l.heedsCacheControl {
		return 0, false, false
	}
	if control, ok := allHeaders(a.Headers, "cache-control"); ok {
		if lifetime, noStore, ok := maxAge(control, a.Headers); ok {
			return lifetime, noStore, true
		}
	}
	if expires, ok := FirstHeader(a.Headers, "expires"); ok {
		return untilExpires(expires, a.Headers, sentAt), false, true
	}
	return 0, false, false
}

// expiresIn reads seconds; at least PayPal sends a string where RFC 6749 section 5.1 has a number.
func expiresIn(value gjson.Result) (time.Duration, bool) {
	n, ok := number(value)
	if !ok {
		return 0, false
	}
	return seconds(n)
}

// number reads a number, or its text.
func number(value gjson.Result) (n float64, ok bool) {
	switch value.Type {
	case gjson.Number:
		return value.Num, true
	case gjson.String:
		n, err := strconv.ParseFloat(strings.TrimSpace(value.String()), 64)
		return n, err == nil
	default:
		return 0, false
	}
}

// firstMilliseconds is from where on a number since 1970 is taken for milliseconds: as those it is a day in
// 2001, before any token that there is, and as seconds it is beyond the year 9999, by which some services
// mean that a token does not end.
const firstMilliseconds = 1e12

// untilEnd reads an absolute end: RFC 3339, or seconds or milliseconds since 1970. What is neither says nothing.
func untilEnd(value gjson.Result, sentAt time.Time) (time.Duration, bool) {
	n, ok := number(value)
	if !ok {
		// The letters may be small, and a space stand for the T (RFC 3339 section 5.6).
		text := strings.Replace(strings.ToUpper(strings.TrimSpace(value.Str)), " ", "T", 1)
		at, err := time.Parse(time.RFC3339, text)
		return at.Sub(sentAt), err == nil
	}
	if n >= firstMilliseconds {
		n /= 1000
	}
	return seconds(n - float64(sentAt.UnixNano())/float64(time.Second))
}

// seconds converts without overflow; what is not a number is no lifetime.
func seconds(n float64) (time.Duration, bool) {
	if math.IsNaN(n) {
		return 0, false
	}
	return time.Duration(min(max(n, -1), schema.MaxSeconds) * float64(time.Second)), true
}

// allHeaders joins the values of one header (RFC 9110 section 5.3).
func allHeaders(headers [][2]string, name string) (string, bool) {
	var values []string
	for _, header := range headers {
		if header[0] == name {
			values = append(values, header[1])
		}
	}
	return strings.Join(values, ","), len(values) > 0
}

// maxAge reads Cache-Control (RFC 9111 section 5.2.2). What a proxy on the way
// has already used up of the time is in Age (section 5.1).
func maxAge(control string, headers [][2]string) (lifetime time.Duration, noStore, ok bool) {
	for directive := range strings.SplitSeq(control, ",") {
		name, argument, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return 0, true, true
		case "max-age":
			if seconds, isNumber := deltaSeconds(strings.Trim(argument, `"`)); isNumber {
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
func untilExpires(expires string, headers [][2]string, now time.Time) time.Duration {
	at, ok := parseDate(expires, now)
	if !ok {
		return 0
	}
	if value, found := FirstHeader(headers, "date"); found {
		if date, ok := parseDate(value, now); ok {
			now = date
		}
	}
	return at.Sub(now)
}

// parseDate reads the three forms of a date that a recipient must know (RFC 9110 section 5.6.7).
func parseDate(text string, now time.Time) (time.Time, bool) {
	text = strings.TrimSpace(text)
	for _, layout := range []string{time.RFC1123, time.RFC850, time.ANSIC} {
		at, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		// Of a year's two digits, Go takes 69 to 99 for the last century's. RFC 9110 has them in the
		// next one, unless that is more than 50 years ahead.
		if next := at.AddDate(100, 0, 0); layout == time.RFC850 && !next.After(now.AddDate(50, 0, 0)) {
			at = next
		}
		return at, true
	}
	return time.Time{}, false
}

// jwtExpiry reads the exp of a JWT (RFC 7519 section 4.1.4), with or without a
// scheme before it. Nothing is verified: the token is not ours to judge, and a
// wrong exp only makes it live shorter or be refused upstream.
func jwtExpiry(token string) (time.Time, bool) {
	if space := strings.LastIndexByte(token, ' '); space >= 0 {
		token = token[space+1:]
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	claims, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil || !schema.ValidJSON(claims) {
		return time.Time{}, false
	}
	exp := gjson.GetBytes(claims, "exp")
	if exp.Type != gjson.Number || exp.Num > math.MaxInt32*100 {
		return time.Time{}, false
	}
	return time.Unix(int64(max(exp.Num, 0)), 0), true // before 1970 is long over as well
}
