package tokenservice

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// setCookie is a parsed Set-Cookie header (RFC 6265 section 5.2).
type setCookie struct {
	name, value string
	lifetime    time.Duration // from when the call was sent; at most 0: the cookie is deleted
	hasLifetime bool          // false: a session cookie
}

// parseSetCookie parses one Set-Cookie header.
func parseSetCookie(line string, resp *Response, sentAt time.Time) setCookie {
	pair, attributes, _ := strings.Cut(line, ";")
	name, value, _ := strings.Cut(pair, "=")
	c := setCookie{name: strings.TrimSpace(name), value: strings.TrimSpace(value)}
	hasMaxAge := false
	for attribute := range strings.SplitSeq(attributes, ";") {
		name, value, _ := strings.Cut(attribute, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case strings.EqualFold(name, "max-age"): // takes precedence over Expires
			if lifetime, ok := cookieSeconds(value); ok {
				c.lifetime, c.hasLifetime, hasMaxAge = lifetime, true, true
			}
		case strings.EqualFold(name, "expires") && !hasMaxAge:
			if t, ok := parseDate(value, sentAt); ok {
				c.lifetime, c.hasLifetime = resp.until(t, sentAt, false), true
			}
		}
	}
	return c
}

// cookieSeconds parses a Max-Age, which may be negative. ok is false if it is not a number.
func cookieSeconds(text string) (time.Duration, bool) {
	if text == "" {
		return 0, false
	}
	if rest, isNegative := strings.CutPrefix(text, "-"); isNegative {
		_, ok := deltaSeconds(rest)
		return -1, ok
	}
	return deltaSeconds(text)
}

// cookies returns the response's cookies with the given names, in that order. The last Set-Cookie of a name counts;
// cookies that the response deletes are left out.
func (resp *Response) cookies(names []string, sentAt time.Time) []setCookie {
	var found []setCookie
	for _, name := range names {
		var last setCookie
		for _, header := range resp.Headers {
			if header[0] != "set-cookie" {
				continue
			}
			if c := parseSetCookie(header[1], resp, sentAt); c.name == name {
				last = c
			}
		}
		if last.value != "" && (!last.hasLifetime || last.lifetime > 0) {
			found = append(found, last)
		}
	}
	return found
}

// cookieToken returns the token from a response that sets cookies: the first one's value or, if they go upstream as
// cookies, all of them as a Cookie header. Without the first there is no token.
func (r *responseReader) cookieToken(resp *Response, sentAt time.Time) string {
	found := resp.cookies(r.cookies, sentAt)
	if len(found) == 0 || found[0].name != r.cookies[0] {
		return ""
	}
	if !r.asCookies {
		return unquoted(found[0].value)
	}
	var pairs []string
	for _, c := range found {
		pairs = append(pairs, c.name+"="+c.value)
	}
	return strings.Join(pairs, "; ")
}

// unquoted strips the quotes that a cookie's value may have (RFC 6265 section 4.1.1); they are not part of the token.
func unquoted(value string) string {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		return value[1 : len(value)-1]
	}
	return value
}

// CookieHeader returns the Cookie header to send upstream: the token's cookies, then the client's, except those with
// the same names and those that were exchanged. Names are compared ignoring case, as some servers do.
func (s *Service) CookieHeader(client []string, token string) string {
	var pairs []string
	if token != "" {
		pairs = append(pairs, token)
	}
	for _, line := range client {
		for pair := range strings.SplitSeq(line, ";") {
			pair = strings.TrimSpace(pair)
			if pair != "" && !isCookieNamed(s.Cookies, pair) && !isCookieNamed(s.RemovedCookies, pair) {
				pairs = append(pairs, pair)
			}
		}
	}
	return strings.Join(pairs, "; ")
}

// HasTokenCookie reports whether a client's Cookie header contains the token's cookie with a value.
func (s *Service) HasTokenCookie(client []string) bool {
	for _, line := range client {
		for pair := range strings.SplitSeq(line, ";") {
			name, value, _ := strings.Cut(pair, "=")
			if strings.TrimSpace(name) == s.Cookies[0] && strings.TrimSpace(value) != "" {
				return true
			}
		}
	}
	return false
}

// isCookieNamed reports whether some server could find a cookie with one of the names in the pair.
func isCookieNamed(names []string, pair string) bool {
	return slices.ContainsFunc(possibleNames(pair), func(name string) bool {
		return slices.ContainsFunc(names, func(other string) bool { return strings.EqualFold(name, other) })
	})
}

// possibleNames returns the names of all cookies that some server could find in the text. Some also separate cookies by
// blanks (Python's SimpleCookie, where the last of a name counts) or commas (RFC 2109), and some ignore the case of names.
func possibleNames(text string) []string {
	names := strings.FieldsFunc(text, func(c rune) bool { return c <= ' ' || c == ',' || c == ';' })
	for i, field := range names {
		names[i], _, _ = strings.Cut(field, "=")
	}
	return names
}

// tokenCookies reads the names of cookies. They are case-sensitive.
func (r reader) tokenCookies(in string) []string {
	names := r.Strings(keyTokenCookie)
	for _, name := range names {
		if !isToken(name) {
			r.InvalidKey(keyTokenCookie, "names of cookies: letters, digits and -_.!#$%&'*+^`|~")
			return nil
		}
	}
	_, isOwn := r.Own(keyTokenCookie.Name)
	switch {
	case in == tokenInCookie && len(names) == 0 && r.isEnabled:
		r.Fail("missing %s in config (%s %s needs it)", r.Name(keyTokenCookie), keyTokenIn.Name, tokenInCookie)
	case in != tokenInCookie && isOwn && r.isEnabled && !r.Has(keyTokenIn):
		r.InvalidKey(keyTokenCookie, strconv.Quote(keyTokenIn.Name+": "+tokenInCookie)+" with it")
	case in != tokenInCookie && isOwn:
		r.Unused(keyTokenCookie, "the token is in the answer's "+in)
	}
	if in != tokenInCookie {
		return nil
	}
	return names
}
