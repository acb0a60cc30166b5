package rules

import (
	"net"
	"net/url"
	"strings"
	"testing"

	"token-fetch/internal/fuzzing"
)

// envoyMatches is what Envoy does: a virtual host's domain against all of an authority (RouteMatcher::findVirtualHost).
func envoyMatches(domain, authority string) bool {
	domain, authority = strings.ToLower(domain), strings.ToLower(authority)
	if suffix, found := strings.CutPrefix(domain, "*"); found {
		return len(authority) > len(suffix) && strings.HasSuffix(authority, suffix)
	}
	if prefix, found := strings.CutSuffix(domain, "*"); found {
		return len(authority) > len(prefix) && strings.HasPrefix(authority, prefix)
	}
	return domain == authority
}

// A domain matches what it would match in Envoy; but one without a port, unless it is a prefix, matches every port.
func FuzzDomains(f *testing.F) {
	for _, d := range []string{"a.com", "*.a.com", "a.*", "*", "**", "", "a.com:80", "a.com:*", "*:80", "[::1]", "[::1]:*", "*a*", "a*"} {
		for _, authority := range []string{"a.com", "b.a.com", "a.com.evil.org", "evila.com", "", "a.", "a.:80", "a.com:80", "A.com:8080", "[::1]", "[::1]:80"} {
			f.Add(d, authority)
		}
	}
	f.Fuzz(func(t *testing.T, domain, text string) {
		a, ok := parseAuthority(text)
		if !ok || !IsDomain(domain) {
			return
		}
		want := envoyMatches(domain, text)
		if isPrefix := strings.HasSuffix(domain, "*"); !want && !isPrefix && portStart(domain) < 0 {
			want = envoyMatches(domain, a.host)
		}
		index := newDomainIndex()
		index.add(3, domain)
		if got := index.match(a) == 3; got != want {
			t.Errorf("%q matches %q: got %t, expected %t", domain, text, got, want)
		}
	})
}

// What counts as an authority has the same host for the standard library, in a header and in a URL.
func FuzzAuthority(f *testing.F) {
	for authority := range authorities {
		f.Add(authority)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var a authority
		var ok bool
		fuzzing.InTime(t, len(text), func() { a, ok = parseAuthority(text) })
		if !ok {
			return
		}
		if !strings.EqualFold(a.text, text) || !strings.HasPrefix(a.text, a.host) || strings.ToLower(a.text) != a.text {
			t.Fatalf("%q: got %q with the host %q", text, a.text, a.host)
		}
		if a.host != a.text {
			host, port, err := net.SplitHostPort(a.text)
			if err != nil || host != strings.Trim(a.host, "[]") || a.text != a.host+":"+port {
				t.Errorf("%q: got the host %q, expected %q (%v)", text, a.host, host, err)
			}
		}
		if u, err := url.Parse("http://" + a.text + "/"); err != nil || u.Hostname() != strings.Trim(a.host, "[]") || u.User != nil || u.Path != "/" {
			t.Errorf("%q: got the host %q, but in a URL it is %+v (%v)", text, a.host, u, err)
		}
	})
}
