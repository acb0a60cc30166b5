package tokenservice

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/template"
)

// What a request lacks, and what that means: a token to be exchanged comes before all else.
func TestRequestsThatLackSomething(t *testing.T) {
	claim := `"requestHeaders": {"X-Org": "${caller.claim.org}"}`
	exchangeOf := func(more string) string { return oauth2Config(exchange+more, ", "+claim) }
	bearerBody := `"requestHeaders": {"Content-Type": "application/x-www-form-urlencoded"}, "requestBody": "token=${caller.token}"`
	token := [2]string{"authorization", "Bearer " + jwt(`{"org": "a"}`)}
	missing := &MissingError{Origin: template.Origin{Kind: template.Claim, Name: "org"}}
	for name, test := range map[string]struct {
		config  string
		headers [][2]string
		want    error
	}{
		"all":                       {exchangeOf(""), [][2]string{token}, nil},
		"no token":                  {exchangeOf(""), nil, ErrNoSubjectToken},
		"no token, which may be":    {exchangeOf(`, "allowMissing": true`), nil, ErrAnonymous},
		"no claim":                  {exchangeOf(`, "allowMissing": true`), [][2]string{{"authorization", "Bearer " + jwt(`{}`)}}, missing},
		"no JWT":                    {exchangeOf(""), [][2]string{{"authorization", "Bearer abc"}}, missing},
		"a claim that is an object": {exchangeOf(""), [][2]string{{"authorization", "Bearer " + jwt(`{"org": {"a": "b"}}`)}}, missing},
		"an empty claim":            {exchangeOf(""), [][2]string{{"authorization", "Bearer " + jwt(`{"org": ""}`)}}, missing},
		"two tokens in the query":   {oauth2Config(exchange+`, "subjectToken": "${request.query.t}"`, ""), [][2]string{{":path", "/?t=a&t=b"}}, ErrNoSubjectToken},
		"one that can't be decoded": {oauth2Config(exchange+`, "subjectToken": "${request.query.t}"`, ""), [][2]string{{":path", "/?t=a&t=%zz"}}, ErrNoSubjectToken},
		"two cookies":               {oauth2Config(exchange+`, "subjectToken": "${request.cookie.t}"`, ""), [][2]string{{"cookie", "t=a; t=b"}}, ErrNoSubjectToken},
		"two lines of cookies":      {oauth2Config(exchange+`, "subjectToken": "${request.cookie.t}"`, ""), [][2]string{{"cookie", "t=a"}, {"cookie", "t=b"}}, ErrNoSubjectToken},
		"a claim of no token":       {extended(claim), nil, missing},
		"a bearer token":            {extended(bearerBody), [][2]string{{"authorization", "bearer opaque"}}, nil},
		"no bearer token":           {extended(bearerBody), [][2]string{{"authorization", "Basic YTpi"}}, ErrNoSubjectToken},
		"two bearer tokens":         {extended(bearerBody), [][2]string{{"authorization", "Bearer a"}, {"authorization", "Bearer b"}}, ErrNoSubjectToken},
		"a bearer token and more":   {extended(bearerBody), [][2]string{{"authorization", "Bearer a&client_id=b"}}, ErrNoSubjectToken},
	} {
		if _, err := mustRead(t, test.config).AppendCaller(nil, test.headers); fmt.Sprint(err) != fmt.Sprint(test.want) {
			t.Errorf("%s: got %v, expected %v", name, err, test.want)
		}
	}
}

// Rules that differ only in what a request may lack share their tokens, and a caller of one is a caller of the other.
func TestCallersOfRulesThatAllowMissing(t *testing.T) {
	strict, lenient := mustRead(t, oauth2Config(exchange, "")), mustRead(t, oauth2Config(exchange+`, "allowMissing": true`, ""))
	headers := [][2]string{{"authorization", "Bearer abc"}}
	for name, links := range map[string][]*Service{"no link": nil, "a link": {strict}} {
		a, b := strict, lenient
		if links != nil {
			a, b = a.withLinks(links), b.withLinks(links)
		}
		call, err := a.Call(callerOf(t, b, headers), nil, nil, now)
		if form, _ := url.ParseQuery(string(call.Body)); err != nil || form.Get("subject_token") != "abc" {
			t.Errorf("%s: got %v, %v", name, form, err)
		}
		if _, err := b.AppendCaller(nil, nil); !errors.Is(err, ErrAnonymous) {
			t.Errorf("%s: without a token: got %v, expected %v", name, err, ErrAnonymous)
		}
		if _, err := a.AppendCaller(nil, nil); !errors.Is(err, ErrNoSubjectToken) {
			t.Errorf("%s: without a token: got %v, expected %v", name, err, ErrNoSubjectToken)
		}
	}
}

// withLinks has the service refer to other ones.
func (s *Service) withLinks(named []*Service) *Service {
	of := *s
	of.links = make([]link, len(named))
	return of.Link(named)
}

// A link's caller has what the link depends on, and nothing else, whatever the order in which others depend on the same.
func TestCallersOfLinks(t *testing.T) {
	first := mustRead(t, extended(`"forwardHeaders": ["X-A", "X-B"]`))
	second := mustRead(t, oauth2Config(exchange, `, "forwardHeaders": ["X-B"]`))
	common := mustRead(t, sampleJSON)
	top := mustRead(t, extended(`"forwardHeaders": ["X-B", "X-C"]`)).withLinks([]*Service{first, second, common})
	headers := [][2]string{{"x-c", "c"}, {"x-b", "b1"}, {"x-a", strings.Repeat("a", 70_000)}, {"x-d", "d"}, {"x-b", ""}, {"authorization", "Bearer t"}, {"x-b", "b2"}}
	caller := callerOf(t, top, headers)
	for i, of := range []*Service{first, second} {
		want := callerOf(t, of, headers)
		if got := top.CallerOf(i, caller); got.Values() != want.Values() || got.Key() != want.Key() {
			t.Errorf("link %d: got %q, expected %q", i, got.Values(), want.Values())
		}
	}
	if got := top.CallerOf(2, caller); got != nil {
		t.Errorf("a link that depends on no caller: got %q, expected no caller", got.Values())
	}
	want := [][2]string{{"x-b", "b1"}, {"x-b", ""}, {"x-b", "b2"}, {"x-c", "c"}} // in the order of the configuration, and of the request
	if got := top.forwarded(caller); !slices.Equal(got, want) {
		t.Errorf("forwarded: got %q, expected %q", got, want)
	}
}

// The names in a reference are read as the text that they stand in: claims are JSON.
func TestNamesInClaims(t *testing.T) {
	service := mustRead(t, `{"tokenHeader": "X-Token", "jwt": {"secret": "`+strings.Repeat("s", 32)+`", "claims": {"org": "${caller.claim.https://example\\.com/org}"}}}`)
	token, err := service.Sign(callerOf(t, service, [][2]string{{"authorization", "Bearer " + jwt(`{"https://example.com/org": "a"}`)}}), nil, now)
	if err != nil {
		t.Fatal(err)
	}
	payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(token.Values[0], ".")[1])
	if !strings.HasPrefix(string(payload), `{"org": "a"`) {
		t.Errorf("got %s, expected the claim", payload)
	}
}

// Headers that a rule inherits as the token service's stay the plugin's where the rule signs its tokens.
func TestUpstreamHeadersBesideASignature(t *testing.T) {
	service := mustRead(t, `{"tokenHeader": "X-Token", "upstreamHeaders": {"X-User": "header:user"}, "jwt": {"secret": "`+strings.Repeat("s", 32)+`"}}`)
	token, err := service.Sign(nil, nil, now)
	if want := []string{"X-Token", "X-User"}; err != nil || !slices.Equal(service.Protected, want) || len(token.Values) != 2 || token.Values[1] != "" {
		t.Errorf("got %q protected and %d values, expected %q", service.Protected, len(token.Values), want)
	}
}

func TestBodiesWithReferences(t *testing.T) {
	const unknown = "invalid requestBody in config: it has references, and nothing says how to write their values (want JSON, or as Content-Type in requestHeaders that of a form, XML or text/plain)"
	const chosen = "invalid requestBody in config: it has references, and the request decides on the Content-Type (want one in requestHeaders, without references)"
	body := func(body, contentType string) string {
		return extended(`"requestBody": "` + body + `", "requestHeaders": {"Content-Type": "` + contentType + `"}`)
	}
	checkErrors(t, map[string]errorCase{
		"no Content-Type":       {extended(`"requestBody": "a=${request.host}"`), unknown},
		"multipart":             {body(`--a ${request.host}`, "multipart/form-data; boundary=a"), unknown},
		"YAML":                  {body(`a: ${request.host}`, "application/yaml"), unknown},
		"the request's type":    {body(`{\"a\": \"${request.host}\"}`, "${request.header.content-type}"), chosen},
		"the client's own type": {extended(`"requestBody": "{\"a\": \"${request.host}\"}", "forwardHeaders": ["Content-Type"]`), chosen},
		"no string":             {body(`{\"a\": ${request.host}}`, "application/json"), "invalid requestBody in config: values from outside must be inside a JSON string"},
		"raw":                   {body(`{\"a\": \"${request.host:raw}\"}`, "application/json"), "invalid requestBody in config: values from outside can't be inserted raw"},
	})
}

// What was exchanged, by the call itself or for a named token, does not go on, and neither does a trailer of its name.
func TestWhatIsTakenFromARequest(t *testing.T) {
	of := func(reference, more string) *Service {
		return mustRead(t, oauth2Config(exchange+`, "subjectToken": "`+reference+`"`+more, `, "tokenHeader": "X-Token"`))
	}
	plain := mustRead(t, sampleJSON)
	const keeps = `, "keepSubjectToken": true`
	for name, test := range map[string]struct {
		service                   *Service
		removed, cookies, trailer string
	}{
		"a header":          {of("${request.header.X-In}", ""), "x-in", "", "x-in"},
		"kept":              {of("${request.header.X-In}", keeps), "", "", "x-in"},
		"the token's own":   {of("${request.header.X-Token}", ""), "", "", "x-token"},
		"a cookie":          {of("${request.cookie.session}", ""), "", "session", "cookie"},
		"a kept cookie":     {of("${request.cookie.session}", keeps), "", "", "cookie"},
		"a parameter":       {of("${request.query.t}", ""), "", "", ""},
		"of a link":         {plain.withLinks([]*Service{of("${request.header.X-In}", ""), of("${request.cookie.session}", "")}), "x-in", "session", "x-in,cookie"},
		"of a link, kept":   {plain.withLinks([]*Service{of("${request.header.X-In}", keeps)}), "", "", "x-in"},
		"of a link's link":  {plain.withLinks([]*Service{plain.withLinks([]*Service{of("${request.header.X-In}", "")})}), "x-in", "", "x-in"},
		"a link sets it":    {plain.withLinks([]*Service{of("${request.header.X-Token}", "")}), "", "", "x-token"},
		"a value, not more": {mustRead(t, extended(`"requestHeaders": {"X-Out": "${request.header.X-In} ${request.cookie.session}"}`)), "", "", ""},
	} {
		s := test.service
		got := [3]string{strings.Join(s.Removed, ","), strings.Join(s.RemovedCookies, ","), strings.Join(s.ExchangedHeaders(), ",")}
		if want := [3]string{test.removed, test.cookies, test.trailer}; got != want {
			t.Errorf("%s: got %q, expected %q", name, got, want)
		}
	}
}

// A caller's token that only a link exchanges ends the caller, and what was obtained with it, all the same.
func TestCallersTokenOfALink(t *testing.T) {
	link := mustRead(t, oauth2Config(exchange, ""))
	signed := mustRead(t, `{"tokenHeader": "X-Token", "jwt": {"secret": "`+strings.Repeat("s", 32)+`", "lifetime": 3600}}`)
	for name, top := range map[string]*Service{"a call": mustRead(t, extended(`"cache": {"ttl": 3600}`)), "a signature": signed} {
		of := top.withLinks([]*Service{link})
		for ends, want := range map[int64]bool{now.Unix() + 100: false, now.Unix() - 61: true} {
			caller := callerOf(t, of, [][2]string{{"authorization", "Bearer " + jwt(fmt.Sprintf(`{"exp": %d}`, ends))}})
			if got := caller.HasExpired(now); got != want {
				t.Errorf("%s: ends %d: got expired %v", name, ends, got)
			}
			if want {
				continue
			}
			var lifetime time.Duration
			if of.IsSigned() {
				token, _ := of.Sign(caller, []string{"t"}, now)
				lifetime = token.Lifetime
			} else {
				grant, _ := of.Grant(&Response{Status: 200, Headers: [][2]string{{"x-token", "t"}}}, caller, now)
				lifetime = grant.Lifetime
			}
			if lifetime != 100*time.Second+subjectLeeway {
				t.Errorf("%s: got a lifetime of %s, expected that of the caller's token", name, lifetime)
			}
		}
	}
}
