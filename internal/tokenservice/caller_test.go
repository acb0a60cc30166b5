package tokenservice

import (
	"strings"
	"testing"
)

func TestCallersAreKeptApart(t *testing.T) {
	config := extended(`"cache": {}, "forwardHeaders": ["X-User", "X-Org"]`)
	service := mustRead(t, config)
	requests := map[string][][2]string{
		"plain":                     {{"x-user", "a"}, {"x-org", "b"}},
		"other order of values":     {{"x-user", "b"}, {"x-org", "a"}},
		"value with the other's":    {{"x-user", "a,x-org: b"}},
		"two values":                {{"x-user", "a"}, {"x-user", "b"}},
		"joined values":             {{"x-user", "a,b"}},
		"nothing":                   nil,
		"empty value":               {{"x-user", ""}},
		"separator by another name": {{"x-user", "a\x00x-orgb"}},
	}
	seen := map[[16]byte]string{}
	for name, headers := range requests {
		c, err := service.Caller(headers)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if other, taken := seen[c.key]; taken {
			t.Errorf("%s and %s have the same key", name, other)
		}
		seen[c.key] = name
		if strings.Contains(string(c.key[:]), "x-org") {
			t.Errorf("%s: the key holds a value", name)
		}
	}
	c, _ := service.Caller([][2]string{{"x-user", "a"}, {"x-other", "c"}})
	call := service.Call(c)
	if value, _ := FirstHeader(call.Headers, "x-user"); value != "a" {
		t.Errorf("forwarded: got %q, expected a", value)
	}
	if _, found := FirstHeader(call.Headers, "x-other"); found {
		t.Error("a header that is not named was forwarded")
	}
	if len(service.call.Headers) != 3 {
		t.Errorf("the service's own call has changed: %v", service.call.Headers)
	}
}

func TestNoSubjectToken(t *testing.T) {
	exchange := &subjectToken{header: "authorization"}
	custom := &subjectToken{header: "x-user-token"}
	tests := map[string]struct {
		subject *subjectToken
		value   string
		want    string
	}{
		"bearer":                 {exchange, "Bearer abc.def", "abc.def"},
		"other case and spaces":  {exchange, " bEARER   abc ", "abc"},
		"empty":                  {exchange, "", ""},
		"scheme only":            {exchange, "Bearer ", ""},
		"basic":                  {exchange, "Basic YTpi", ""},
		"no scheme":              {exchange, "abc", ""},
		"two tokens":             {exchange, "Bearer abc, Bearer def", ""},
		"form injection":         {exchange, "Bearer abc&scope=admin", ""},
		"own header":             {custom, "abc", "abc"},
		"own header with bearer": {custom, "Bearer abc", "abc"},
		"own header, two words":  {custom, "Token abc", ""},
	}
	for name, test := range tests {
		got, ok := test.subject.bearer(test.value)
		if ok != (test.want != "") || ok && got != test.want {
			t.Errorf("%s: got %q and %v, expected %q", name, got, ok, test.want)
		}
	}
}
