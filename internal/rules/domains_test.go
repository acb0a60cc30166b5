package rules

import (
	"strings"
	"testing"
)

var authorities = map[string]struct{ host, port string }{ // of those that are refused: neither
	"a.com":                             {"a.com", ""},
	"a.com:80":                          {"a.com", ":80"},
	"A.Com:080":                         {"a.com", ":080"},
	"a.com.":                            {"a.com.", ""},
	"a.com.:80":                         {"a.com.", ":80"},
	"a":                                 {"a", ""},
	"a_b-c.d_e":                         {"a_b-c.d_e", ""},
	"1.2.3.4:5":                         {"1.2.3.4", ":5"},
	"[::1]":                             {"[::1]", ""},
	"[::1]:80":                          {"[::1]", ":80"},
	"[FE80::A]:80":                      {"[fe80::a]", ":80"},
	"[::ffff:1.2.3.4]":                  {"[::ffff:1.2.3.4]", ""},
	strings.Repeat("a", 255) + ":65535": {strings.Repeat("a", 255), ":65535"},

	"": {}, ":": {}, ":80": {}, ".": {}, "..": {}, ".a.com": {}, "a..com": {}, "a.com..": {},
	"a.com:": {}, "a.com:x": {}, "a.com:80:80": {}, "b.com:x.a.com": {}, "x:1.a.com": {}, "a.com:-1": {}, "a.com:+80": {}, "a.com:8 0": {},
	"user@a.com": {}, "user:80@a.com": {}, "a.com:80@b.com": {}, "a.com@b.com:80": {},
	" a.com": {}, "a.com ": {}, "a .com": {}, "a.com\t": {}, "a.com\x00": {}, "a.com\r\n": {}, " ": {},
	"a%2ecom": {}, "a%2Ecom:80": {}, "%61.com": {}, "a.com%00": {}, "ä.com": {}, "\xe4.com": {}, "a。com": {}, "ａ.com": {}, "\u212a.com": {},
	"a.com,b.com": {}, "a.com, b.com": {}, "a.com;b.com": {}, "a.com/": {}, "a.com/x": {}, "a.com?x": {}, "a.com#x": {}, "a.com\\x": {}, "http://a.com": {},
	"*": {}, "*.a.com": {}, "a.*": {}, "a.com:*": {}, "!a.com": {}, "a~b": {}, "a=b": {}, "(a)": {},
	"::1": {}, "::1:80": {}, "[::1": {}, "::1]": {}, "[::1]x": {}, "[::1]:": {}, "[::1]:x": {}, "[::1]:80:80": {}, "[::1]80": {}, "[]": {}, "[]:80": {},
	"[a.com]": {}, "[1.2.3.4]": {}, "[::1%25eth0]": {}, "[::1%eth0]": {}, "[v1.a]": {}, "[[::1]]": {}, "x[::1]": {}, "[::1][::1]": {}, "[::g]": {}, "[::1]a.com": {},
	strings.Repeat("a", 256) + ":65535": {},
	strings.Repeat("a", 1<<16):          {},
}

func TestAuthorities(t *testing.T) {
	for text, want := range authorities {
		got, ok := parseAuthority(text)
		if ok != (want.host != "") {
			t.Errorf("%.100q is a host with or without a port: got %t, expected %t", text, ok, !ok)
		}
		if got.host != want.host || got.text != want.host+want.port {
			t.Errorf("%.100q: got %q with the host %q, expected %q and %q", text, got.text, got.host, want.host+want.port, want.host)
		}
	}
}

// Rules by domain are held against nothing that is no host; rules by anything else do not ask for it.
func TestAuthorityIsRefused(t *testing.T) {
	tests := map[string]struct {
		rule Rule
		want bool
	}{
		"domain":            {Rule{Domains: []string{"a.com"}}, true},
		"every domain":      {Rule{Domains: []string{"*"}}, true},
		"service":           {Rule{Services: []string{"a.dns"}}, false},
		"route":             {Rule{Routes: []string{"a"}}, false},
		"route prefix":      {Rule{RoutePrefixes: []string{"a"}}, false},
		"route, not domain": {Rule{Routes: []string{"a"}, Domains: []string{"a.com"}}, false},
	}
	for name, test := range tests {
		if _, ok := NewIndex([]Rule{{Services: []string{"first.dns"}}, test.rule}).Match(&fakeRequest{authority: "a.com:x"}); ok == test.want {
			t.Errorf("%s: got refused %t, expected %t", name, !ok, test.want)
		}
	}
}

func TestDomains(t *testing.T) {
	for _, domain := range []string{
		"a.com", "A.com", "a.com.", "a.com:80", "a.com:*", "*", "*.a.com", "*.a.com:80", "*-b.a.com", "*a.com", "*:80", "a.*", "www*", "a_b",
		"[::1]", "[::1]:80", "[::1]:*", "1.2.3.4",
	} {
		if !IsDomain(domain) {
			t.Errorf("%q is a domain: got false, expected true", domain)
		}
	}
	for _, domain := range []string{
		"", " ", "a.com ", " a.com", "**", "*a*", "a.*.com", "*.a.*", "*.a.com:*", "a.com*:80", "*:*", "a.com:8*", "*80", "a.com:", "a.com:x", ":80", ":*",
		"http://a.com", "a.com/", "a.com/x", "a.com,b.com", "user@a.com", "ä.com", "a..com", ".a.com", "::1", "[::1", "[*]", "[::*", "a%2ecom", "~.*",
		"*" + strings.Repeat("a", 300),
	} {
		if IsDomain(domain) {
			t.Errorf("%.100q is a domain: got true, expected false", domain)
		}
	}
}

// Which of the domains is found, and so which host of Envoy's with the same domains. All but the first two hold for Envoy only
// if it ignores ports (strip_any_host_port, ignore_port_in_host_matching), or the host has the domain a.com:* as well.
func TestMatchOfDomains(t *testing.T) {
	tests := map[string]struct {
		domains []string // one of each rule
		want    map[string]int
	}{
		"exact and wildcards": {[]string{"x.a.com", "*.a.com", "a.*"}, map[string]int{
			"x.a.com": 0, "X.A.com": 0, "y.a.com": 1, "y.x.a.com": 1, "a.com": 2, "a.b": 2, "x.a.com.": None, "a.": None, "b.com": None, "xa.com": None,
		}},
		"prefixes count the port": {[]string{"a*", "b.*"}, map[string]int{"a": None, "ab": 0, "a:80": 0, "b.": None, "b.:80": 1}},
		"any port":                {[]string{"a.com", "*.a.com", "[::1]"}, map[string]int{"a.com:80": 0, "A.com:8080": 0, "x.a.com:80": 1, "[::1]:80": 2, "a.com.:80": None}},
		"one port":                {[]string{"a.com:8080", "*.A.com:8080", "*:9090"}, map[string]int{"a.com:8080": 0, "A.COM:8080": 0, "x.a.com:8080": 1, "a.com:9090": 2, "a.com": None, "a.com:80": None, "a.com:08080": None}},
		"every port":              {[]string{"a.com:*", "[::1]:*"}, map[string]int{"a.com:80": 0, "[::1]:80": 1, "a.com": None, "[::1]": None, "x.a.com:80": None}},
		"a port comes first":      {[]string{"a.com", "*", "a.com:8080"}, map[string]int{"a.com": 0, "a.com:80": 0, "a.com:8080": 2, "b.com": 1, "b.com:8080": 1}},
		"the first rule wins":     {[]string{"*.com", "a.com", "a.com"}, map[string]int{"a.com": 0, "a.com:80": 0}},
	}
	for name, test := range tests {
		var rules []Rule
		for _, domain := range test.domains {
			rules = append(rules, Rule{Domains: []string{domain}})
		}
		index := NewIndex(rules)
		for authority, want := range test.want {
			if got, ok := index.Match(&fakeRequest{authority: authority}); got != want || !ok {
				t.Errorf("%s: %s: got rule %d (%t), expected %d", name, authority, got, ok, want)
			}
		}
	}
}
