package tokenservice

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// Whatever a request brings, no other caller has its key, and a key holds no value.
func TestCallersAreKeptApart(t *testing.T) {
	bearer := func(subject string, more ...[2]string) [][2]string {
		return append([][2]string{{"authorization", "Bearer " + subject}}, more...)
	}
	actor := func(of string) [2]string { return [2]string{"x-actor", of} }
	user := func(name string) [2]string { return [2]string{"x-user", name} }
	for name, test := range map[string]struct {
		config   string
		requests [][][2]string
	}{
		"forwarded headers": {extended(`"cache": {}, "forwardHeaders": ["X-User", "X-Org"]`), [][][2]string{
			{user("a"), {"x-org", "b"}}, {user("b"), {"x-org", "a"}}, {user("a,x-org: b")}, {user("a"), user("b")}, {user("a,b")}, nil, {user("")}, {user("a\x00x-orgb")},
		}},
		"an exchange": {oauth2Config(exchange, `, "forwardHeaders": ["X-User"]`), [][][2]string{
			bearer("abc"), bearer("abd"), bearer("abc", user("a")), bearer("abd", user("a")), bearer("abc", user("b")), bearer("abc", user("")),
		}},
		"an actor": {oauth2Config(delegation, ""), [][][2]string{
			bearer("abc", actor("def")), bearer("def", actor("abc")), bearer("abc", actor("deg")), bearer("abd", actor("def")), bearer("ab", actor("cdef")), bearer("abc", actor("abc")),
		}},
	} {
		service, seen := mustRead(t, test.config), map[string][][2]string{}
		for _, headers := range test.requests {
			c := callerOf(t, service, headers)
			for _, id := range []string{string(c.key[:]), c.Values()} {
				if other, taken := seen[id]; taken {
					t.Errorf("%s: got the same caller for %q and %q", name, headers, other)
				}
				seen[id] = headers
			}
			if strings.Contains(string(c.key[:]), "x-org") {
				t.Errorf("%s: the key of %q holds a value", name, headers)
			}
		}
	}
	service := mustRead(t, oauth2Config(exchange, ""))
	if callerOf(t, service, bearer("abc")).Key() != callerOf(t, service, [][2]string{{"authorization", "bearer  abc "}, {"x-other", "c"}}).Key() {
		t.Error("the same token, sent in another way: got two callers")
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

// The memory for callers is bounded by what they say of themselves.
func TestSizeOfACaller(t *testing.T) {
	// Each value has its number and its length before it, and is found by 24 bytes.
	tests := map[string]struct {
		config  string
		headers [][2]string
		want    int
	}{
		"nothing forwarded":    {extended(`"forwardHeaders": ["a"]`), [][2]string{{"b", "123"}}, 0},
		"two values":           {extended(`"forwardHeaders": ["a"]`), [][2]string{{"a", "123"}, {"a", "1234"}}, 4 + 7 + 2*24},
		"subject and a header": {oauth2Config(exchange, `, "forwardHeaders": ["a"]`), [][2]string{{"a", "123"}, {"authorization", "Bearer 12345"}}, 4 + 5 + 3 + 2*24},
	}
	for name, test := range tests {
		if got := callerOf(t, mustRead(t, test.config), test.headers).Size(); got != test.want {
			t.Errorf("%s: got %d, expected %d", name, got, test.want)
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

// A caller must keep no more memory than its Size says: a header of 4 bytes must not retain the 50 kB
// that the client sent with it.
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

// Whoever leaves out the actor would get a token that does not name one. Of several lines with a token, one would be exchanged,
// and the upstream could take another.
func TestTokensOfARequest(t *testing.T) {
	const line = "Bearer abc"
	subject, actor := [2]string{"authorization", line}, [2]string{"x-actor", "def"}
	with := func(headers ...[2]string) [][2]string { return headers }
	tests := map[string]struct {
		headers [][2]string
		want    error
	}{
		"one of each":           {with(subject, actor), nil},
		"no actor":              {with(subject), ErrNoActorToken},
		"empty actor":           {with(subject, [2]string{"x-actor", ""}), ErrNoActorToken},
		"actor is no bearer":    {with(subject, [2]string{"x-actor", "Basic YTpi"}), ErrNoActorToken},
		"two actors":            {with(subject, actor, [2]string{"x-actor", "ghi"}), ErrNoActorToken},
		"the actor, then empty": {with(subject, actor, [2]string{"x-actor", ""}), ErrNoActorToken},
		"the same twice":        {with(subject, subject, actor), ErrNoSubjectToken},
		"the second is empty":   {with(subject, [2]string{"authorization", ""}, actor), ErrNoSubjectToken},
		"the first is empty":    {with([2]string{"authorization", ""}, subject, actor), ErrNoSubjectToken},
		"another scheme, first": {with([2]string{"authorization", "Basic YTpi"}, subject, actor), ErrNoSubjectToken},
		"three, apart":          {with(subject, actor, subject, subject), ErrNoSubjectToken},
	}
	for of, config := range map[string]string{"not kept": delegation, "kept": delegation + `, "keepSubjectToken": true`, "missing allowed": delegation + `, "allowMissing": true`} {
		service := mustRead(t, oauth2Config(config, ""))
		for name, test := range tests {
			if values, err := service.AppendCaller(nil, test.headers); !errors.Is(err, test.want) || (err != nil && values != nil) {
				t.Errorf("%s, %s: got %q and %v, expected %v", of, name, values, err, test.want)
			}
		}
	}
	if got, want := ErrNoSubjectToken.Error(), "the request has no bearer token to exchange"; got != want {
		t.Errorf("got %q, expected %q", got, want)
	}
}

// A parameter with the token, and another that some server would take for it.
func TestSubjectParameterOfARequest(t *testing.T) {
	service := mustRead(t, oauth2Config(exchange+`, "subjectToken": "${request.query.t}", "allowMissing": true`, `, "tokenHeader": "X-Token"`))
	for path, want := range map[string]error{
		"/?t=abc&a=1":       nil,
		"/?a=1;b=2&t=abc":   nil,
		"/;t=def?t=abc":     nil,
		"/?a=1":             ErrAnonymous,
		"/?t=abc&t=def":     ErrNoSubjectToken,
		"/?t=abc&a=1;t=def": ErrNoSubjectToken,
		"/?a=1;t=def":       ErrNoSubjectToken,
		"/?t=abc;t=def":     ErrNoSubjectToken,
	} {
		if _, err := service.AppendCaller(nil, [][2]string{{":path", path}}); !errors.Is(err, want) {
			t.Errorf("%q: got %v, expected %v", path, err, want)
		}
	}
}

// A cookie with the token, and another that some server would take for it.
func TestSubjectCookieOfARequest(t *testing.T) {
	for _, more := range []string{"", `, "keepSubjectToken": true`} {
		service := mustRead(t, oauth2Config(exchange+`, "subjectToken": "${request.cookie.session}", "allowMissing": true`+more, `, "tokenHeader": "X-Token"`))
		for cookies, want := range map[string]error{
			"session=abc; a=1":            nil,
			"a=1; session=abc":            nil,
			"a=1":                         ErrAnonymous,
			"session=abc; session=def":    ErrNoSubjectToken,
			"session=abc; a=1 session=de": ErrNoSubjectToken,
			"a=1,session=def":             ErrNoSubjectToken,
			"SESSION=def; session=abc":    ErrNoSubjectToken,
			"SESSION=def":                 ErrNoSubjectToken,
			"session=abc session=def":     ErrNoSubjectToken,
		} {
			if _, err := service.AppendCaller(nil, [][2]string{{"cookie", cookies}}); !errors.Is(err, want) {
				t.Errorf("%s, %q: got %v, expected %v", more, cookies, err, want)
			}
		}
	}
}

// The first of the subject and the actor ends the caller, a minute after its end: a JWT, by its exp.
func TestExpiredCallers(t *testing.T) {
	good, expired, opaque := jwt(`{"exp": 1795435141}`), jwt(`{"exp": 1795435140}`), "abc"
	one, both := mustRead(t, oauth2Config(exchange, "")), mustRead(t, oauth2Config(delegation, ""))
	for tokens, want := range map[[2]string]bool{
		{good}: false, {expired}: true, {opaque}: false, {jwt(`{"sub": "a"}`)}: false, {jwt(`{"exp": "1795435139"}`)}: false,
		{good, good}: false, {good, opaque}: false, {good, expired}: true, {expired, good}: true, {opaque, expired}: true,
	} {
		caller := callerWith(one, tokens[0])
		if tokens[1] != "" {
			caller = callerWith(both, tokens[0], tokens[1])
		}
		if got := caller.HasExpired(now); got != want {
			t.Errorf("%s: got expired %v, expected %v", tokens, got, want)
		}
	}
}
