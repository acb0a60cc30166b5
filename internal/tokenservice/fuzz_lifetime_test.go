package tokenservice

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/fuzzing"
	"token-fetch/internal/schema"
)

// fuzzNow is when the token calls of these tests are sent.
var fuzzNow = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// Whatever an answer says, a lifetime is between nothing and ten years, never beyond maxTtl, and never past
// the token's own end.
func FuzzLifetime(f *testing.F) {
	f.Add("max-age=5", "2", "Mon, 23 Nov 2026 12:00:40 GMT", "", `{"expires_in": 3600}`, int64(0), uint32(0))
	f.Add("no-store", "", "0", "", `{"expires_in": "3600"}`, fuzzNow.Unix()+60, uint32(30))
	f.Add(`private="a, no-store", max-age="60"`, "-1", "", "Monday, 23-Nov-26 12:00:40 GMT", `{}`, fuzzNow.Unix()-1, uint32(0))
	f.Add("max-age=18446744073709551616", "99999999999", "", "", `{"expires_in": 1e400}`, int64(math.MaxInt64), uint32(0))
	f.Add("s-maxage=1,max-age=-1", "", "Thu, 01 Jan 1970 00:00:00 GMT", "soon", `{"expires_in": -9223372036854775808}`, int64(-1), uint32(0))
	f.Add("", "", "", "", `{"expires_in": "NaN"}`, int64(0), uint32(0))
	f.Add("", "", "", "", `{"expires_in": "Infinity"}`, int64(1), uint32(0))
	f.Add("", "", "", "", `{"expires_in": 1764000000000}`, fuzzNow.Unix()+300, uint32(0))
	f.Add("", "", "", "", `{"end": "2026-11-23T12:00:40Z", "expires_in": 5}`, fuzzNow.Unix()+300, uint32(0))
	f.Add("no-store", "", "", "", `{"end": 1795435240500}`, fuzzNow.Unix()+300, uint32(0))
	f.Add("max-age=9", "", "", "soon", `{}`, fuzzNow.Unix()-1, uint32(0))
	f.Add("", "", "", "", `{"end": "-1e308"}`, int64(0), uint32(9))
	f.Fuzz(func(t *testing.T, control, age, expires, date, body string, exp int64, maxTTL uint32) {
		token := jwt(fmt.Sprintf(`{"exp": %d}`, exp))
		policy := lifetimePolicy{ttl: time.Hour, expiresAtPath: "end", expiresInPath: "expires_in", honorsCacheControl: true, maxTTL: time.Duration(maxTTL%schema.MaxSeconds) * time.Second}
		a := &Response{Status: 200, Body: []byte(body), Headers: headersThatAreSet(
			[2]string{"cache-control", control}, [2]string{"age", age}, [2]string{"expires", expires}, [2]string{"date", date})}
		var found lifetime
		fuzzing.InTime(t, len(control)+len(age)+len(expires)+len(date)+len(body), func() { found = policy.lifetimeOf(a, token, fuzzNow) })
		got := found.length
		if got < 0 || got > schema.MaxSeconds*time.Second {
			t.Errorf("got a lifetime of %s, expected it within ten years", got)
		}
		if (got == 0) != (found.uncached != "") {
			t.Errorf("got a lifetime of %s and the warning %q", got, found.uncached)
		}
		if found.unreadable != "" && got > time.Minute {
			t.Errorf("got a lifetime of %s, which can't be read: %s", got, found.unreadable)
		}
		if policy.maxTTL > 0 && got > policy.maxTTL {
			t.Errorf("got a lifetime of %s, expected at most maxTtl, %s", got, policy.maxTTL)
		}
		ahead := time.Unix(exp, 0).Sub(issuerTime(a, fuzzNow))
		_, hasDate := a.date(fuzzNow)
		isBehind := !hasDate && ahead <= 0 && ahead > -maxClockSkew // the service's clock, if it names a lifetime
		if exp >= 0 && exp < math.MaxInt32 && !isBehind && got > max(ahead, 0) {
			t.Errorf("got a lifetime of %s, expected none past the token's own exp, %d", got, exp)
		}
	})
}

func headersThatAreSet(all ...[2]string) (headers [][2]string) {
	for _, header := range all {
		if header[1] != "" {
			headers = append(headers, header)
		}
	}
	return headers
}

// Whatever Retry-After says, it asks for no negative time.
func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{"7", " 7 ", "-7", "+7", "0", "4294967295", "4294967296", "1e3", "7.5", "soon", "", "7, 8",
		"Mon, 23 Nov 2026 12:00:40 GMT", "Mon, 23 Nov 2026 11:00:40 GMT", "Monday, 23-Nov-26 12:00:40 GMT", "Mon Nov 23 12:00:40 2026", "700000000", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		a := &Response{Status: 429, Headers: [][2]string{{"retry-after", value}}}
		var got time.Duration
		fuzzing.InTime(t, len(value), func() { got = retryAfter(a, fuzzNow) })
		if got < 0 {
			t.Errorf("Retry-After %q: got %s, expected nothing below 0", value, got)
		}
		if n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64); err == nil && got != time.Duration(min(n, schema.MaxSeconds))*time.Second {
			t.Errorf("Retry-After %q: got %s, expected its seconds, ten years at most", value, got)
		}
	})
}

// The exp of a JWT is a number that stands in claims which are JSON, with or without a scheme before
// the token; anything else has none.
func FuzzJWTExpiry(f *testing.F) {
	f.Add(`{"exp": 1764000000}`, "Bearer ", "h", "s")
	f.Add(`{"exp": 1764000000.9, "sub": {"exp": 5}}`, "", "", "")
	f.Add(`{"exp": "1764000000"}`, "", "h", "s")
	f.Add(`{"exp": 1e400}`, "DPoP ", "h", "s")
	f.Add(`{"exp": -1}`, "", "h", "s")
	f.Add(`{"\u0065xp": 5, "exp": 6}`, "", "h", "s")
	f.Add(`[{"exp": 5}]`, "", "h", "s.t")
	f.Add(strings.Repeat("[", 12_000), "Bearer ", "h", "s")
	f.Fuzz(func(t *testing.T, claims, scheme, header, signature string) {
		token := scheme + header + strings.TrimPrefix(jwt(claims), "eyJhbGciOiJub25lIn0") + signature
		var at time.Time
		var found bool
		fuzzing.InTime(t, len(token), func() { at, found = jwtExpiry(token) })
		if !found {
			return
		}
		if depth, valid := fuzzing.Depth([]byte(claims)); !valid || depth > schema.MaxDepth {
			t.Errorf("found an exp in claims that are not JSON, or nest %d deep", depth)
		}
		if at.Unix() < 0 || at.Year() > 9999 {
			t.Errorf("exp is %s", at)
		}
		var object map[string]any
		if json.Unmarshal([]byte(claims), &object) != nil {
			t.Errorf("found an exp in %q, which is no object", claims)
		}
	})
}
