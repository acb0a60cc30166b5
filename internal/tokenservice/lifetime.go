package tokenservice

import (
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"token-fetch/internal/schema"
)

// lifetimePolicy defines how long tokens live.
type lifetimePolicy struct {
	ttl           time.Duration // if the response names no lifetime
	maxTTL        time.Duration // 0: unlimited
	expiresAtPath string        // empty: the response has no absolute end
	expiresInPath string
	isInBody      bool // one of the two paths is configured
	// honorsCacheControl: Cache-Control and Expires determine the lifetime. It is false with OAuth 2.0, where every
	// token response has no-store (RFC 6749 section 5.1), and if so configured.
	honorsCacheControl bool
	cookies            []string // names of the cookies with the token; nil: the token is not in a cookie
}

func readLifetimes(cache schema.Section, isOAuth2 bool) lifetimePolicy {
	return lifetimePolicy{
		ttl:                cache.Seconds(keyTTL),
		maxTTL:             cache.Seconds(keyMaxTTL),
		expiresAtPath:      cache.JSONPath(keyExpiresAtPath),
		expiresInPath:      cache.JSONPath(keyExpiresInPath),
		isInBody:           cache.Has(keyExpiresAtPath) || cache.Has(keyExpiresInPath),
		honorsCacheControl: !cache.Bool(keyIgnoreCacheControl) && !isOAuth2,
	}
}

// unreadableLifetime caps the lifetime of a token whose lifetime or end in the response can't be parsed.
const unreadableLifetime = time.Minute

// lifetime is how long a token may be used.
type lifetime struct {
	length time.Duration // from when the call was sent; 0: the token must not be cached
	// named: the response names it in addition to the token; false: it is the token's own, or ttl.
	named bool
	from  string // the source, for the log
	// uncached says why length is 0 and what to configure; unreadable says what the response has instead of a readable
	// lifetime. Each is empty, or for the log starts with a verb whose subject is the token service.
	uncached, unreadable string
}

// lifetimeOf returns how long the token may be used. It is the first of: the absolute end in the JSON, its expires_in,
// the cookie's lifetime, Cache-Control, Expires, the token's exp, the configured ttl. It never exceeds the token's exp.
func (l *lifetimePolicy) lifetimeOf(resp *Response, token string, sentAt time.Time) lifetime {
	found := l.named(resp, sentAt)
	if !found.named {
		found.length, found.from = l.ttl, keyTTL.Name
	}
	if times, ok := readJWTTimes(token); ok {
		times.limit(&found, resp, sentAt)
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

// limit caps the lifetime.
func (l *lifetime) limit(longest time.Duration, from string) {
	if l.length > longest {
		l.length, l.from = longest, from
	}
}

// named returns the lifetime that the response names in addition to the token.
func (l *lifetimePolicy) named(resp *Response, sentAt time.Time) (found lifetime) {
	if l.expiresAtPath != "" {
		value := resp.json(l.expiresAtPath)
		if length, ok := untilEnd(value, resp, sentAt); ok {
			return found.set(length, l.expiresAtPath, "answers with an end at "+l.expiresAtPath+" that has passed", "cache.expiresAtPath to where the token's end is, and compare the clocks")
		}
		found.noteUnreadable(l.expiresAtPath, value, "cache.expiresAtPath to the path of a date with its zone, or of a number since 1970")
	}
	value := resp.json(l.expiresInPath)
	if length, ok := expiresIn(value, sentAt); ok {
		return found.set(length, l.expiresInPath, "answers with a lifetime of 0 at "+l.expiresInPath, "cache.expiresInPath to where the lifetime is, or to a path that does not exist if cache.ttl should apply")
	}
	found.noteUnreadable(l.expiresInPath, value, "cache.expiresInPath to the path of a number of seconds, or cache.expiresAtPath to that of an end")
	if length, ok := l.fromCookies(resp, sentAt); ok {
		return found.set(length, "the cookie", "", "")
	}
	if l.honorsCacheControl {
		return found.fromCacheControl(resp, sentAt)
	}
	return found
}

func (l lifetime) set(length time.Duration, from, why, remedy string) lifetime {
	l.length, l.from, l.named = length, from, true
	if length <= 0 {
		l.uncached = why + ": every request makes a token call (set " + remedy + ")"
	}
	return l
}

// noteUnreadable records what the response has instead of a readable lifetime. Absent, null and empty values are no
// lifetime.
func (l *lifetime) noteUnreadable(path string, value gjson.Result, remedy string) {
	if value.Type == gjson.Null || value.Type == gjson.String && value.Str == "" || l.unreadable != "" {
		return
	}
	l.unreadable = fmt.Sprintf("answers with %s at %s, which can't be read as a lifetime: its tokens are cached for at most %s (set %s)",
		shapeOf(value), path, unreadableLifetime, remedy)
}

// fromCookies returns the shortest lifetime of the cookies with the token.
func (l *lifetimePolicy) fromCookies(resp *Response, sentAt time.Time) (shortest time.Duration, ok bool) {
	for _, c := range resp.cookies(l.cookies, sentAt) {
		if c.hasLifetime && (!ok || c.lifetime < shortest) {
			shortest, ok = c.lifetime, true
		}
	}
	return shortest, ok
}

func (l lifetime) fromCacheControl(resp *Response, sentAt time.Time) lifetime {
	const remedy = "cache.ignoreCacheControl to true, if its tokens live longer"
	if control, ok := allHeaders(resp.Headers, "cache-control"); ok {
		length, isForbidden, ok := maxAge(control, resp.Headers)
		switch {
		case isForbidden:
			return l.set(0, "Cache-Control", "forbids caching its tokens (Cache-Control)", remedy)
		case ok:
			return l.set(length, "Cache-Control", "answers with a max-age in Cache-Control that leaves no time", remedy)
		}
	}
	if expires, ok := FirstHeader(resp.Headers, "expires"); ok {
		return l.set(untilExpires(expires, resp, sentAt), "Expires", "answers with an Expires that has passed", remedy)
	}
	return l
}
