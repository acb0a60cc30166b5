package tokenservice

import (
	"slices"
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
	keys, values := map[[16]byte]string{}, map[string]string{}
	for name, headers := range requests {
		c := callerOf(t, service, headers)
		if other, taken := keys[c.key]; taken {
			t.Errorf("%s and %s have the same key", name, other)
		}
		if other, taken := values[c.values]; taken {
			t.Errorf("%s and %s have the same values", name, other)
		}
		keys[c.key], values[c.values] = name, name
		if strings.Contains(string(c.key[:]), "x-org") {
			t.Errorf("%s: the key holds a value", name)
		}
	}
	c := callerOf(t, service, [][2]string{{"x-user", "a"}, {"x-other", "c"}})
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

func callerOf(t *testing.T, s *Service, headers [][2]string) *Caller {
	t.Helper()
	values, err := s.AppendCaller(nil, headers)
	if err != nil {
		t.Fatalf("%v: %v", headers, err)
	}
	return s.Caller(values)
}

// The token service is sent what tells the caller apart, all of it and in the order in which it came.
func TestCallerHasWhatItsRequestBrings(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	forwarding := mustRead(t, extended(`"cache": {}, "forwardHeaders": ["X-User", "X-Org"]`))
	exchange := `"oauth2": {"clientId": "id", "clientSecret": "s", "grantType": "urn:ietf:params:oauth:grant-type:token-exchange"}`
	tests := map[string]struct {
		service   *Service
		headers   [][2]string
		forwarded [][2]string
		subject   string
	}{
		"nothing":  {forwarding, [][2]string{{"x-other", "c"}}, nil, ""},
		"repeated": {forwarding, [][2]string{{"x-org", "c"}, {"x-user", "a"}, {"x-user", ""}, {"x-user", "b"}}, [][2]string{{"x-user", "a"}, {"x-user", ""}, {"x-user", "b"}, {"x-org", "c"}}, ""},
		"long":     {forwarding, [][2]string{{"x-org", long}, {"x-user", "a"}}, [][2]string{{"x-user", "a"}, {"x-org", long}}, ""},
		"subject":  {mustRead(t, extended(exchange)), [][2]string{{"authorization", "Bearer abc"}}, nil, "abc"},
		"both":     {mustRead(t, extended(exchange+`, "forwardHeaders": ["X-User"]`)), [][2]string{{"authorization", "Bearer abc"}, {"x-user", "a"}}, [][2]string{{"x-user", "a"}}, "abc"},
	}
	for name, c := range tests {
		got := callerOf(t, c.service, c.headers)
		if !slices.Equal(got.forwarded, c.forwarded) || got.subject != c.subject {
			t.Errorf("%s: got %.80q and %q, expected %.80q and %q", name, got.forwarded, got.subject, c.forwarded, c.subject)
		}
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
