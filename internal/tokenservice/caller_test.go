package tokenservice

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
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
	call := mustCall(t, service, c)
	if value, _ := FirstHeader(call.Headers, "x-user"); value != "a" {
		t.Errorf("forwarded: got %q, expected a", value)
	}
	if _, found := FirstHeader(call.Headers, "x-other"); found {
		t.Error("a header that is not named was forwarded")
	}
	if len(service.call.Headers) != 3+len(defaultHeaders()) {
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
	tests := map[string]struct {
		service   *Service
		headers   [][2]string
		forwarded [][2]string
		subject   string
		actor     string
	}{
		"nothing":  {service: forwarding, headers: [][2]string{{"x-other", "c"}}},
		"repeated": {forwarding, [][2]string{{"x-org", "c"}, {"x-user", "a"}, {"x-user", ""}, {"x-user", "b"}}, [][2]string{{"x-user", "a"}, {"x-user", ""}, {"x-user", "b"}, {"x-org", "c"}}, "", ""},
		"long":     {forwarding, [][2]string{{"x-org", long}, {"x-user", "a"}}, [][2]string{{"x-user", "a"}, {"x-org", long}}, "", ""},
		"subject":  {mustRead(t, oauth2Config(exchange, "")), [][2]string{{"authorization", "Bearer abc"}}, nil, "abc", ""},
		"both":     {mustRead(t, oauth2Config(exchange, `, "forwardHeaders": ["X-User"]`)), [][2]string{{"authorization", "Bearer abc"}, {"x-user", "a"}}, [][2]string{{"x-user", "a"}}, "abc", ""},
		"an actor": {mustRead(t, oauth2Config(delegation, "")), [][2]string{{"x-actor", "def"}, {"authorization", "Bearer abc"}}, nil, "abc", "def"},
		"all three": {mustRead(t, oauth2Config(delegation, `, "forwardHeaders": ["X-User", "X-Org"]`)), [][2]string{{"x-user", "a"}, {"x-actor", "Bearer def"}, {"authorization", "Bearer abc"}},
			[][2]string{{"x-user", "a"}}, "abc", "def"},
	}
	for name, c := range tests {
		got := callerOf(t, c.service, c.headers)
		var tokens [2]string
		if c.service.form != nil {
			for i, token := range c.service.form.tokens {
				tokens[i], _ = got.text(token.input)
			}
		}
		if forwarded := c.service.forwarded(got); !slices.Equal(forwarded, c.forwarded) || tokens != [2]string{c.subject, c.actor} {
			t.Errorf("%s: got %.80q and %q, expected %.80q and %q", name, forwarded, tokens, c.forwarded, [2]string{c.subject, c.actor})
		}
	}
}

// An exchange's tokens depend on the token alone, however it is sent.
func TestCallersOfAnExchange(t *testing.T) {
	service := mustRead(t, oauth2Config(exchange, ""))
	key := func(value string) [16]byte {
		return callerOf(t, service, [][2]string{{"x-other", value}, {"authorization", value}}).Key()
	}
	if key("Bearer abc") != key("bearer  abc ") {
		t.Error("the same token has two keys")
	}
	if key("Bearer abc") == key("Bearer abd") {
		t.Error("two tokens have the same key")
	}
	for _, headers := range [][][2]string{nil, {{"authorization", "Basic YTpi"}}, {{"x-token", "Bearer abc"}}} {
		if values, err := service.AppendCaller(nil, headers); !errors.Is(err, ErrNoSubjectToken) || values != nil {
			t.Errorf("%v: got %q and %v, expected %v", headers, values, err, ErrNoSubjectToken)
		}
	}
	if got, want := ErrNoSubjectToken.Error(), "the request has no bearer token to exchange"; got != want {
		t.Errorf("got %q, expected %q", got, want)
	}
}

func TestCallersWithForwardedHeadersAndASubject(t *testing.T) {
	service := mustRead(t, oauth2Config(exchange, `, "forwardHeaders": ["X-User"]`))
	keys, values := map[[16]byte]string{}, map[string]string{}
	for _, user := range []string{"", "a", "b"} {
		for _, subject := range []string{"abc", "abd"} {
			c := callerOf(t, service, [][2]string{{"x-user", user}, {"authorization", "Bearer " + subject}})
			who := fmt.Sprintf("%q with %s", user, subject)
			if other, taken := keys[c.Key()]; taken {
				t.Errorf("%s and %s have the same key", who, other)
			}
			if other, taken := values[c.Values()]; taken {
				t.Errorf("%s and %s have the same values", who, other)
			}
			keys[c.Key()], values[c.Values()] = who, who
		}
	}
}

// The memory for callers is bounded by what they say of themselves.
func TestSizeOfACaller(t *testing.T) {
	// Each value has its number and its length before it, and is found by 24 bytes.
	tests := map[string]struct {
		config  string
		headers [][2]string
		want    int
	}{
		"nothing forwarded":    {extended(`"forwardHeaders": ["a"]`), [][2]string{{"b", "123"}}, 0},
		"a header":             {extended(`"forwardHeaders": ["a"]`), [][2]string{{"a", "123"}}, 2 + 3 + 24},
		"two values":           {extended(`"forwardHeaders": ["a"]`), [][2]string{{"a", "123"}, {"a", "1234"}}, 4 + 7 + 2*24},
		"a subject":            {oauth2Config(exchange, ""), [][2]string{{"authorization", "Bearer 12345"}}, 2 + 5 + 24},
		"subject and a header": {oauth2Config(exchange, `, "forwardHeaders": ["a"]`), [][2]string{{"a", "123"}, {"authorization", "Bearer 12345"}}, 4 + 5 + 3 + 2*24},
	}
	for name, test := range tests {
		if got := callerOf(t, mustRead(t, test.config), test.headers).Size(); got != test.want {
			t.Errorf("%s: got %d, expected %d", name, got, test.want)
		}
	}
}

func TestExpiredSubject(t *testing.T) {
	now := time.Unix(1795435200, 0)
	tests := map[string]struct {
		subject string
		want    bool
	}{
		"opaque":         {"abc", false},
		"no exp":         {jwt(`{"sub": "a"}`), false},
		"still good":     {jwt(`{"exp": 1795435201}`), false},
		"in the leeway":  {jwt(`{"exp": 1795435141}`), false},
		"at its end":     {jwt(`{"exp": 1795435140}`), true},
		"after its end":  {jwt(`{"exp": 1795435139}`), true},
		"malformed":      {"a.b.c", false},
		"exp is a text":  {jwt(`{"exp": "1795435139"}`), false},
		"exp is no time": {jwt(`{"exp": "soon"}`), false},
	}
	service := mustRead(t, oauth2Config(exchange, ""))
	for name, test := range tests {
		if got := callerWith(service, test.subject).HasExpired(now); got != test.want {
			t.Errorf("%s: got %v, expected %v", name, got, test.want)
		}
	}
}

// Of several lines with a token to be exchanged, one would be, and the upstream could take another.
func TestSeveralLinesOfAToken(t *testing.T) {
	const line = "Bearer abc"
	configs := map[string]string{"not kept": delegation, "kept": delegation + `, "keepSubjectToken": true`, "missing allowed": delegation + `, "allowMissing": true`}
	tests := map[string]struct {
		headers [][2]string
		want    error
	}{
		"one of each":           {[][2]string{{"authorization", line}, {"x-actor", "def"}}, nil},
		"two subjects":          {[][2]string{{"authorization", line}, {"authorization", "Bearer xyz"}, {"x-actor", "def"}}, ErrNoSubjectToken},
		"the same twice":        {[][2]string{{"authorization", line}, {"authorization", line}, {"x-actor", "def"}}, ErrNoSubjectToken},
		"the second is empty":   {[][2]string{{"authorization", line}, {"authorization", ""}, {"x-actor", "def"}}, ErrNoSubjectToken},
		"the first is empty":    {[][2]string{{"authorization", ""}, {"authorization", line}, {"x-actor", "def"}}, ErrNoSubjectToken},
		"another scheme, first": {[][2]string{{"authorization", "Basic YTpi"}, {"authorization", line}, {"x-actor", "def"}}, ErrNoSubjectToken},
		"three, apart":          {[][2]string{{"authorization", line}, {"x-actor", "def"}, {"authorization", line}, {"authorization", line}}, ErrNoSubjectToken},
		"two actors":            {[][2]string{{"authorization", line}, {"x-actor", "def"}, {"x-actor", "ghi"}}, ErrNoActorToken},
		"the actor, then empty": {[][2]string{{"authorization", line}, {"x-actor", "def"}, {"x-actor", ""}}, ErrNoActorToken},
	}
	for of, config := range configs {
		service := mustRead(t, oauth2Config(config, ""))
		for name, test := range tests {
			if values, err := service.AppendCaller(nil, test.headers); !errors.Is(err, test.want) || (err != nil && values != nil) {
				t.Errorf("%s, %s: got %q and %v, expected %v", of, name, values, err, test.want)
			}
		}
	}
}

// Whoever leaves out the actor would get a token that does not name one.
func TestCallersWithAnActor(t *testing.T) {
	service := mustRead(t, oauth2Config(delegation, ""))
	tests := map[string]struct {
		headers [][2]string
		want    error
	}{
		"both":               {[][2]string{{"authorization", "Bearer abc"}, {"x-actor", "def"}}, nil},
		"no actor":           {[][2]string{{"authorization", "Bearer abc"}}, ErrNoActorToken},
		"empty actor":        {[][2]string{{"authorization", "Bearer abc"}, {"x-actor", ""}}, ErrNoActorToken},
		"actor is no bearer": {[][2]string{{"authorization", "Bearer abc"}, {"x-actor", "Basic YTpi"}}, ErrNoActorToken},
		"no subject":         {[][2]string{{"x-actor", "def"}}, ErrNoSubjectToken},
		"neither":            {nil, ErrNoSubjectToken},
	}
	for name, test := range tests {
		if values, err := service.AppendCaller(nil, test.headers); !errors.Is(err, test.want) || (err != nil && values != nil) {
			t.Errorf("%s: got %q and %v, expected %v", name, values, err, test.want)
		}
	}
	keys := map[[16]byte]string{}
	for _, of := range [][2]string{{"abc", "def"}, {"def", "abc"}, {"abc", "deg"}, {"abd", "def"}, {"ab", "cdef"}, {"abc", "abc"}} {
		c := callerOf(t, service, [][2]string{{"authorization", "Bearer " + of[0]}, {"x-actor", of[1]}})
		if other, taken := keys[c.Key()]; taken {
			t.Errorf("%s and %s have the same key", of, other)
		}
		keys[c.Key()] = fmt.Sprint(of)
	}
}

// The first of the two ends the caller.
func TestExpiredActor(t *testing.T) {
	now := time.Unix(1795435200, 0)
	good, expired, opaque := jwt(`{"exp": 1795435141}`), jwt(`{"exp": 1795435140}`), "abc"
	service := mustRead(t, oauth2Config(delegation, ""))
	for tokens, want := range map[[2]string]bool{
		{good, good}: false, {opaque, good}: false, {good, opaque}: false, {opaque, opaque}: false,
		{good, expired}: true, {expired, good}: true, {opaque, expired}: true, {expired, opaque}: true,
	} {
		if got := callerWith(service, tokens[0], tokens[1]).HasExpired(now); got != want {
			t.Errorf("%s: got %v, expected %v", tokens, got, want)
		}
	}
}

// asTheHostHandsOut is a request's headers as the SDK gives them: all strings are parts of one buffer.
func asTheHostHandsOut(headers [][2]string) [][2]string {
	var whole strings.Builder
	for _, h := range headers {
		whole.WriteString(h[0] + h[1])
	}
	buffer, at := whole.String(), 0
	var list [][2]string
	for _, h := range headers {
		name := buffer[at : at+len(h[0])]
		at += len(h[0])
		value := buffer[at : at+len(h[1])]
		at += len(h[1])
		list = append(list, [2]string{name, value})
	}
	return list
}

// What a caller keeps must be what its Size says: a header of 4 bytes must not keep the 50 kB that
// the client sent beside it.
func TestForwardedHeaderKeepsNothingElseOfTheRequest(t *testing.T) {
	service := mustRead(t, extended(`"cache": {}, "forwardHeaders": ["X-User"]`))
	const callers, beside = 500, 50_000
	kept := make([]*Caller, 0, callers)
	before, counted := heap(), 0
	for i := range callers {
		c := callerOf(t, service, asTheHostHandsOut([][2]string{
			{"x-user", fmt.Sprintf("%04d", i)}, {"cookie", strings.Repeat("c", beside)},
		}))
		kept, counted = append(kept, c), counted+c.Size()
	}
	grown := heap() - before
	if limit := counted + callers*640; grown > limit {
		t.Errorf("%d callers: %d bytes are kept, expected at most the %d that are counted", len(kept), grown, limit)
	}
	runtime.KeepAlive(kept)
}

func heap() int {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}
