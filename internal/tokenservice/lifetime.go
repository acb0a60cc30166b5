package tokenservice

import (
	"fmt"
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
	isInBody      bool // one of the two paths is configured
	// heedsCacheControl: Cache-Control and Expires say how long a token lives. Not with OAuth 2.0, where
	// every token answer has no-store (RFC 6749 section 5.1), nor when the configuration says so.
	heedsCacheControl bool
	cookies           []string // names of those that have the token; nil: it comes in no cookie
}

func readLifetimes(cache schema.Section, isOAuth2 bool) lifetimes {
	return lifetimes{
		ttl:               cache.Seconds(keyTTL),
		maxTTL:            cache.Seconds(keyMaxTTL),
		expiresAtPath:     cache.JSONPath(keyExpiresAtPath),
		expiresInPath:     cache.JSONPath(keyExpiresInPath),
		isInBody:          cache.Has(keyExpiresAtPath) || cache.Has(keyExpiresInPath),
		heedsCacheControl: !cache.Bool(keyIgnoreCacheControl) && !isOAuth2,
	}
}

// unreadableLifetime is how long a token lives at most whose lifetime or end is in the answer but can't be read.
const unreadableLifetime = time.Minute

// lifetime is how long an answer's token may be used.
type lifetime struct {
	length time.Duration // counted from when the call was sent; 0: the token must not be kept
	// named: the token service says so beside the token; false: there is nothing but the token's own end, or ttl.
	named bool
	from  string // what says so, for the log
	// uncached is why length is 0 and what to configure, unreadable what the answer has in the place of a
	// lifetime. Both are empty or, for the log, begin with what the token service does.
	uncached, unreadable string
}

// of returns for how long the answer's token may be used. It is the first of: the JSON's absolute end, its
// expires_in, the cookie's own, Cache-Control, Expires, the token's own exp, the configured ttl; and never longer
// than the token's own exp allows.
func (l *lifetimes) of(a *Answer, token string, sentAt time.Time) lifetime {
	found := l.named(a, sentAt)
	if !found.named {
		found.length, found.from = l.ttl, keyTTL.Name
	}
	if own, ok := readJWTTimes(token); ok {
		own.limit(&found, a, sentAt)
	}
	if found.unreadable != "" {
		found.limit(unreadableLifetime, "a lifetime that can't be read")
	}
	if l.maxTTL > 0 {
		found.limit(l.maxTTL, keyMaxTTL.Name)
	}
	found.length = min(max(found.length, 0), schema.MaxSeconds*time.Second)
	return found
}

// limit makes it no longer than something else says.
func (l *lifetime) limit(longest time.Duration, from string) {
	if l.length > longest {
		l.length, l.from = longest, from
	}
}

// named is the one that the token service names beside the token.
func (l *lifetimes) named(a *Answer, sentAt time.Time) (found lifetime) {
	if l.expiresAtPath != "" {
		value := a.json(l.expiresAtPath)
		if length, ok := untilEnd(value, a, sentAt); ok {
			return found.at(length, l.expiresAtPath, "answers with an end at "+l.expiresAtPath+" that has passed", "cache.expiresAtPath to where the token's end is, and compare the clocks")
		}
		found.notReadable(l.expiresAtPath, value, "as cache.expiresAtPath the path of a date with its zone or of a number since 1970")
	}
	value := a.json(l.expiresInPath)
	if length, ok := expiresIn(value, sentAt); ok {
		return found.at(length, l.expiresInPath, "answers with a lifetime of 0 at "+l.expiresInPath, "cache.expiresInPath to where the lifetime is")
	}
	found.notReadable(l.expiresInPath, value, "as cache.expiresInPath the path of a number of seconds, or of an end as cache.expiresAtPath")
	if length, ok := l.ofCookies(a, sentAt); ok {
		return found.at(length, "the cookie", "", "")
	}
	if l.heedsCacheControl {
		return found.fromCacheControl(a, sentAt)
	}
	return found
}

func (l lifetime) at(length time.Duration, from, why, set string) lifetime {
	l.length, l.from, l.named = length, from, true
	if length <= 0 {
		l.uncached = why + ": every request makes a token call (set " + set + ")"
	}
	return l
}

// notReadable notes what the answer has in the place of a lifetime; nothing, null and an empty text are none.
func (l *lifetime) notReadable(path string, value gjson.Result, set string) {
	if value.Type == gjson.Null || value.Type == gjson.String && value.Str == "" || l.unreadable != "" {
		return
	}
	l.unreadable = fmt.Sprintf("answers with %s at %s, which is read as no lifetime: its tokens are kept for at most %s (set %s)",
		shapeOf(value), path, unreadableLifetime, set)
}

// ofCookies is the shortest of the cookies that have the token.
func (l *lifetimes) ofCookies(a *Answer, sentAt time.Time) (shortest time.Duration, ok bool) {
	for _, c := range a.cookies(l.cookies, sentAt) {
		if c.hasLifetime && (!ok || c.lifetime < shortest) {
			shortest, ok = c.lifetime, true
		}
	}
	return shortest, ok
}

func (l lifetime) fromCacheControl(a *Answer, sentAt time.Time) lifetime {
	const set = "cache.ignoreCacheControl to true, if its tokens live longer"
	if control, ok := allHeaders(a.Headers, "cache-control"); ok {
		length, isForbidden, ok := maxAge(control, a.Headers)
		switch {
		case isForbidden:
			return l.at(0, "Cache-Control", "forbids caching its tokens (Cache-Control)", set)
		case ok:
			return l.at(length, "Cache-Control", "answers with a max-age in Cache-Control that leaves no time", set)
		}
	}
	if expires, ok := FirstHeader(a.Headers, "expires"); ok {
		return l.at(untilExpires(expires, a, sentAt), "Expires", "answers with an Expires that has passed", set)
	}
	return l
}
