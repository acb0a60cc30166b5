package tokenservice

import (
	"encoding/base64"
	"math"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"token-fetch/internal/schema"
)

// This file deals with clocks other than the gateway's: those of token services, and of whoever issued a token.

const (
	// clockTolerance is how far two clocks that agree may differ: Date has a resolution of one second.
	clockTolerance = 2 * time.Second
	// maxClockSkew is how far off a clock may be; a Date beyond that is ignored, for example that of a machine whose
	// clock was reset.
	maxClockSkew = 24 * time.Hour
)

// issuerTime is the token service's time when the call was sent, according to the response's Date, and its Age if it
// was cached. If the clocks agree, it returns the gateway's time, which is more precise.
func issuerTime(resp *Response, sentAt time.Time) time.Time {
	date, ok := resp.date(sentAt)
	if !ok {
		return sentAt
	}
	ahead := date.Sub(sentAt)
	if ahead >= -clockTolerance && ahead <= resp.Took+clockTolerance/2 || ahead.Abs() > maxClockSkew {
		return sentAt
	}
	return date.Add(time.Second) // it may have been that late, and a token must not outlive its end
}

// until is how long it is from sending the call to an end that the response names. If the end has passed by the
// gateway's clock, the issuer's clock is behind, and it alone counts. Otherwise the earlier of both counts, unless
// something confirms that the end is by the clock of Date, which may come from a proxy.
func (resp *Response) until(end, sentAt time.Time, isConfirmed bool) time.Duration {
	byGateway, byIssuer := end.Sub(sentAt), end.Sub(issuerTime(resp, sentAt))
	if isConfirmed || byGateway <= 0 {
		return byIssuer
	}
	return min(byGateway, byIssuer)
}

// date returns the response's Date, plus its Age.
func (resp *Response) date(now time.Time) (time.Time, bool) {
	value, _ := FirstHeader(resp.Headers, "date")
	date, ok := parseDate(value, now)
	if age, hasAge := FirstHeader(resp.Headers, "age"); ok && hasAge {
		if used, isNumber := deltaSeconds(strings.TrimSpace(age)); isNumber {
			date = date.Add(used)
		}
	}
	return date, ok
}

// jwtTimes are the times of a JWT (RFC 7519 section 4.1).
type jwtTimes struct {
	exp time.Time
	iat time.Time // zero if absent or later than exp
}

// readJWTTimes reads the times of a JWT with an exp, with or without a scheme before it. It verifies nothing: that is
// up to the upstream, and a forged exp can only shorten the token's life or get it refused.
func readJWTTimes(token string) (times jwtTimes, ok bool) {
	if space := strings.LastIndexByte(token, ' '); space >= 0 {
		token = token[space+1:]
	}
	claims, ok := claimsOfJWT(token)
	if !ok {
		return times, false
	}
	exp, iat := gjson.GetBytes(claims, "exp"), gjson.GetBytes(claims, "iat")
	if exp.Type != gjson.Number || exp.Num > math.MaxInt32*100 {
		return times, false
	}
	times.exp = instant(exp.Num) // anything before 1970 has long expired as well
	if iat.Type == gjson.Number && iat.Num < exp.Num {
		times.iat = instant(iat.Num)
	}
	return times, true
}

// claimsOfJWT returns the unverified claims as JSON; ok is false if the token is not a JWT.
func claimsOfJWT(token string) (claims []byte, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, false
	}
	claims, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	return claims, err == nil && schema.ValidJSON(claims)
}

// jwtExpiry returns the exp of a JWT.
func jwtExpiry(token string) (time.Time, bool) {
	times, ok := readJWTTimes(token)
	return times.exp, ok
}

// limit caps the lifetime at the token's own. Both exp and iat are by the issuer's clock; without a Date, all that is
// known of that clock is that it is not before iat.
func (t jwtTimes) limit(l *lifetime, resp *Response, sentAt time.Time) {
	ownLength := resp.until(t.exp, sentAt, t.confirmDate(l, resp, sentAt))
	if ahead := t.iat.Sub(sentAt); ahead > resp.Took+clockTolerance {
		ownLength = min(ownLength, t.exp.Sub(t.iat.Add(time.Second))) // it may have been that late
	}
	if _, hasDate := resp.date(sentAt); ownLength <= 0 && !hasDate && l.named && l.length > 0 && -ownLength < maxClockSkew {
		// The response gives the token a lifetime, but its exp has passed: the issuer's clock is behind.
		ownLength = l.length
		if !t.iat.IsZero() {
			ownLength = t.exp.Sub(t.iat)
		}
	}
	if l.named && l.length <= ownLength {
		return
	}
	l.length, l.from = ownLength, "exp"
	if ownLength <= 0 {
		l.uncached = "answers with a token whose exp has passed by " + clockName(resp, sentAt) + ": every request makes a token call (compare the clocks of both)"
	}
}

// confirmDate reports whether the token was issued just now by the clock of the response's Date, according to its iat
// or to a lifetime in the response.
func (t jwtTimes) confirmDate(l *lifetime, resp *Response, sentAt time.Time) bool {
	date, ok := resp.date(sentAt)
	isClose := func(apart time.Duration) bool { return apart.Abs() <= clockTolerance+resp.Took }
	return ok && (isClose(t.iat.Sub(date)) || l.named && isClose(t.exp.Sub(date)-l.length))
}

// clockName names the clock that issuerTime uses.
func clockName(resp *Response, sentAt time.Time) string {
	if _, ok := resp.date(sentAt); ok {
		return "the Date of the answer"
	}
	return "the gateway's clock, as the answer has no Date"
}

// The smallest numbers since 1970 that are taken for units finer than seconds. In the finer unit, each is a day in
// 2001, before any token of today; in the coarser one, it is beyond the year 9999, which some services use for tokens
// that never expire.
const (
	firstMilliseconds = 1e12
	firstMicroseconds = 1e15
	firstNanoseconds  = 1e18
)

// instant converts a number since 1970, capping those in the far future.
func instant(n float64) time.Time {
	switch {
	case n >= firstNanoseconds:
		n /= 1e9
	case n >= firstMicroseconds:
		n /= 1e6
	case n >= firstMilliseconds:
		n /= 1e3
	}
	whole, fraction := math.Modf(min(max(n, 0), firstMilliseconds))
	return time.Unix(int64(whole), int64(fraction*1e9))
}
