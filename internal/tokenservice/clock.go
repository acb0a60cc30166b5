package tokenservice

import (
	"encoding/base64"
	"math"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"token-fetch/internal/schema"
)

// This file is about clocks that are not the gateway's: what a token service or a token says by its own.

const (
	// clockTolerance is by how much two clocks differ that agree: a Date has whole seconds.
	clockTolerance = 2 * time.Second
	// maxClockSkew is by how much a clock may be off; a Date further away is no clock's, for example that of
	// a machine that has forgotten the year.
	maxClockSkew = 24 * time.Hour
)

// issuerTime is what the token service's clock showed when the call was sent, as far as its answer tells: by Date, and
// Age where a cache has kept the answer. Where both clocks agree it is the gateway's, which knows more than seconds.
func issuerTime(a *Answer, sentAt time.Time) time.Time {
	date, ok := a.date(sentAt)
	if !ok {
		return sentAt
	}
	ahead := date.Sub(sentAt)
	if ahead >= -clockTolerance && ahead <= a.Took+clockTolerance/2 || ahead.Abs() > maxClockSkew {
		return sentAt
	}
	return date.Add(time.Second) // it may have been as late as that, and a token must not outlive its end
}

// until is how long it is from when the call was sent to an end that the answer names. Where the end has passed by the
// gateway's clock, the issuer's is behind, and counts alone. Else the first of both counts, unless something else confirms that Date
// is the clock by which the end is meant: a proxy may have written it.
func (a *Answer) until(end, sentAt time.Time, isConfirmed bool) time.Duration {
	byGateway, byIssuer := end.Sub(sentAt), end.Sub(issuerTime(a, sentAt))
	if isConfirmed || byGateway <= 0 {
		return byIssuer
	}
	return min(byGateway, byIssuer)
}

// date is the answer's own.
func (a *Answer) date(now time.Time) (time.Time, bool) {
	value, _ := FirstHeader(a.Headers, "date")
	date, ok := parseDate(value, now)
	if age, hasAge := FirstHeader(a.Headers, "age"); ok && hasAge {
		if used, isNumber := deltaSeconds(strings.TrimSpace(age)); isNumber {
			date = date.Add(used)
		}
	}
	return date, ok
}

// jwtTimes are what a JWT says of its own life (RFC 7519 section 4.1).
type jwtTimes struct {
	exp time.Time
	iat time.Time // zero: it does not say, or has been issued after its end
}

// readJWTTimes reads a JWT with an exp, with or without a scheme before it. Nothing is verified: the token is not ours to
// judge, and a wrong exp only makes it live shorter or be refused upstream.
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
	times.exp = instant(exp.Num) // before 1970 is long over as well
	if iat.Type == gjson.Number && iat.Num < exp.Num {
		times.iat = instant(iat.Num)
	}
	return times, true
}

// claimsOfJWT are the claims as JSON, which nobody has verified; ok is false for what is no JWT.
func claimsOfJWT(token string) (claims []byte, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, false
	}
	claims, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	return claims, err == nil && schema.ValidJSON(claims)
}

// jwtExpiry is the exp of a JWT.
func jwtExpiry(token string) (time.Time, bool) {
	times, ok := readJWTTimes(token)
	return times.exp, ok
}

// limit keeps a lifetime within the token's own. Both ends of a JWT are the issuer's time: without a Date,
// all that is known of it is that it is not before iat.
func (t jwtTimes) limit(l *lifetime, a *Answer, sentAt time.Time) {
	own := a.until(t.exp, sentAt, t.confirmDate(l, a, sentAt))
	if ahead := t.iat.Sub(sentAt); ahead > a.Took+clockTolerance {
		own = min(own, t.exp.Sub(t.iat.Add(time.Second))) // as with a Date, it may have been as late as that
	}
	if _, hasDate := a.date(sentAt); own <= 0 && !hasDate && l.named && l.length > 0 && -own < maxClockSkew {
		// The service says for how long its token lives, and the token that it is over: its clock is behind.
		own = l.length
		if !t.iat.IsZero() {
			own = t.exp.Sub(t.iat)
		}
	}
	if l.named && l.length <= own {
		return
	}
	l.length, l.from = own, "exp"
	if own <= 0 {
		l.uncached = "answers with a token whose exp has passed by " + clockName(a, sentAt) + ": every request makes a token call (compare the clocks of both)"
	}
}

// confirmDate reports whether the token has been issued by the clock of the answer's Date, just now: its iat says so, or a
// lifetime that the answer names.
func (t jwtTimes) confirmDate(l *lifetime, a *Answer, sentAt time.Time) bool {
	date, ok := a.date(sentAt)
	isClose := func(apart time.Duration) bool { return apart.Abs() <= clockTolerance+a.Took }
	return ok && (isClose(t.iat.Sub(date)) || l.named && isClose(t.exp.Sub(date)-l.length))
}

// clockName says by whose clock issuerTime goes.
func clockName(a *Answer, sentAt time.Time) string {
	if _, ok := a.date(sentAt); ok {
		return "the Date of the answer"
	}
	return "the gateway's clock, as the answer has no Date"
}

// The smallest numbers since 1970 that are taken for finer units than seconds: as those each is a day in 2001, before
// any token that there is, and as the coarser ones it is beyond the year 9999, by which some services mean
// that a token does not end.
const (
	firstMilliseconds = 1e12
	firstMicroseconds = 1e15
	firstNanoseconds  = 1e18
)

// instant is the moment so long after 1970. What is too far away for a token is as far as ever matters.
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
