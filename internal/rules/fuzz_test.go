package rules

import (
	"net"
	"strings"
	"testing"

	"token-fetch/internal/fuzzing"
)

// A domain of _match_domain_ means what it says: all of it, or with * all that ends or begins so.
func FuzzDomains(f *testing.F) {
	for _, d := range []string{"a.com", "*.a.com", "a.*", "*", "**", "", "a.com:80", "[::1]", "*a*"} {
		for _, host := range []string{"a.com", "b.a.com", "a.com.evil.org", "evila.com", "", "a.", "[::1]"} {
			f.Add(d, host)
		}
	}
	f.Fuzz(func(t *testing.T, text, host string) {
		want := host == text
		switch rest, isSuffix := strings.CutPrefix(text, "*"); {
		case isSuffix:
			want = len(host) >= len(rest) && host[len(host)-len(rest):] == rest
		case strings.HasSuffix(text, "*"):
			start := text[:len(text)-1]
			want = len(host) >= len(start) && host[:len(start)] == start
		}
		index := newTextIndex()
		index.addPattern(3, text)
		if got := index.match(host) == 3; got != want {
			t.Errorf("%q matches %q: %t, expected %t", text, host, got, want)
		}
	})
}

// The host of an authority is what the standard library takes for it.
func FuzzAuthority(f *testing.F) {
	for _, authority := range []string{"a.com", "a.com:80", "[::1]", "[::1]:80", "::1", "a.com:", ":80", "a:b:c", "[a]b]:1", "user@a.com:1", "", ":", "]:"} {
		f.Add(authority)
	}
	f.Fuzz(func(t *testing.T, authority string) {
		var got string
		fuzzing.InTime(t, len(authority), func() { got = withoutPort(authority) })
		if !strings.HasPrefix(authority, got) {
			t.Fatalf("%q: got %q, which is no beginning of it", authority, got)
		}
		if rest := authority[len(got):]; rest != "" && (rest[0] != ':' || strings.ContainsAny(rest[1:], ":]")) {
			t.Errorf("%q: got %q, and %q is no port", authority, got, rest)
		}
		host, _, err := net.SplitHostPort(authority)
		if err == nil && strings.Trim(got, "[]") != strings.Trim(host, "[]") {
			t.Errorf("%q: got %q, expected %q", authority, got, host)
		}
	})
}

func matches(service, cluster string) bool {
	index := newServiceIndex()
	index.add(3, []string{service})
	return index.match(cluster) == 3
}

// A service matches a cluster of its name, with its port or any.
func FuzzServices(f *testing.F) {
	f.Add("a.dns", "80", "a.dns", "")
	f.Add("a.dns:80", "80", "a.dns", "v1")
	f.Add("a.dns:81", "80", "a.dns", "")
	f.Add("", "", "", "|")
	f.Fuzz(func(t *testing.T, service, port, fqdn, subset string) {
		if strings.Contains(port+fqdn+subset, "|") {
			if matches(service, port+fqdn+subset) && strings.Count(port+fqdn+subset, "|") != 3 {
				t.Errorf("%q is no cluster's name, but matches %q", port+fqdn+subset, service)
			}
			return
		}
		cluster := strings.Join([]string{"outbound", port, subset, fqdn}, "|")
		want := service == fqdn || service == fqdn+":"+port
		if got := matches(service, cluster); got != want {
			t.Errorf("%q matches %q: %t, expected %t", service, cluster, got, want)
		}
	})
}
