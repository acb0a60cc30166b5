package tokenservice

import (
	"regexp"
	"strings"
	"testing"
)

// Whatever cookies a client brings, the token's come first, and no other has one of their names in any case.
func FuzzCookieHeader(f *testing.F) {
	f.Add("a=1; SESSION=forged; b=2", "csrf=forged")
	f.Add(`a="; SESSION=forged`, ";;=; session")
	f.Add("SESSION\t=x;\tCSRF =y", "SESSION")
	f.Add("a=1 SESSION=forged", "a=1\fcsrf")
	f.Add("a=1,SESSION=forged", "\x00SESSION=1; SESSION\xff=1")
	service := mustRead(f, upstreamCookies(sessionCookies))
	separators := regexp.MustCompile(`[;,\s]+`) // of all kinds of servers
	f.Fuzz(func(t *testing.T, first, second string) {
		const own = "SESSION=abc; csrf=1"
		got := service.CookieHeader([]string{first, second}, own)
		rest, isFirst := strings.CutPrefix(got, own)
		if !isFirst || rest != "" && !strings.HasPrefix(rest, "; ") {
			t.Fatalf("got %q, expected it to begin with %q", got, own)
		}
		if without := service.CookieHeader([]string{first, second}, ""); without != strings.TrimPrefix(rest, "; ") {
			t.Errorf("without a token: got %q, expected %q", without, rest)
		}
		for _, pair := range separators.Split(rest, -1) {
			name, _, _ := strings.Cut(pair, "=")
			if strings.EqualFold(name, "SESSION") || strings.EqualFold(name, "csrf") {
				t.Errorf("got %q, which has another %s", got, name)
			}
		}
	})
}

// A line of Set-Cookie is read in time, and its value has nothing of the attributes.
func FuzzSetCookie(f *testing.F) {
	f.Add("SESSION=abc; Path=/; Max-Age=60; Expires=Mon, 23 Nov 2026 12:00:40 GMT")
	f.Add("=;=;;max-age=-99999999999999999999;expires=x")
	f.Add("SESSION=abc;Max-Age=99999999999999999999")
	f.Fuzz(func(t *testing.T, line string) {
		c := parseSetCookie(line, &Response{}, fuzzNow)
		if strings.Contains(c.name+c.value, ";") {
			t.Errorf("%q: got %q=%q", line, c.name, c.value)
		}
		before, _, _ := strings.Cut(line, ";")
		if !strings.Contains(before, c.value) {
			t.Errorf("%q: got the value %q", line, c.value)
		}
	})
}
