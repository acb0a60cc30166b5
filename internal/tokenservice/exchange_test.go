package tokenservice

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"testing"
)

func TestExchangeErrors(t *testing.T) {
	inOAuth2 := func(oauth2 string) string { return oauth2Config(oauth2, "") }
	checkErrors(t, map[string]errorCase{
		"params, subject_token":        {inOAuth2(exchange + `, "params": {"subject_token": "s3cr3t"}`), `invalid oauth2.params.subject_token in config: another key sets it`},
		"params, requested type":       {inOAuth2(exchange + `, "requestedTokenType": "urn:a", "params": {"requested_token_type": "x"}`), `invalid oauth2.params.requested_token_type in config: another key sets it`},
		"params, assertion":            {inOAuth2(jwtBearer + `, "params": {"assertion": "s3cr3t"}`), `invalid oauth2.params.assertion in config: another key sets it`},
		"subject header":               {inOAuth2(exchange + `, "subjectTokenHeader": ":path"`), `invalid oauth2.subjectTokenHeader in config: ":path" (want ` + settable + `)`},
		"actor header":                 {inOAuth2(exchange + `, "actorTokenHeader": ":authority"`), `invalid oauth2.actorTokenHeader in config: ":authority" (want ` + settable + `)`},
		"actor is subject, other case": {inOAuth2(exchange + `, "subjectTokenHeader": "X-A", "actorTokenHeader": "x-a"`), `invalid oauth2.actorTokenHeader in config: "x-a" (want another header than subjectTokenHeader)`},
		"subject is forwarded": {oauth2Config(exchange+`, "subjectTokenHeader": "X-Subject"`, `, "forwardHeaders": ["X-User", "x-subject"]`),
			`invalid forwardHeaders in config: "x-subject" (want headers without a token to be exchanged, which goes into the form)`},
		"actor is forwarded": {oauth2Config(delegation, `, "forwardHeaders": ["X-ACTOR"]`),
			`invalid forwardHeaders in config: "X-ACTOR" (want headers without a token to be exchanged, which goes into the form)`},
	})
}

// RFC 8693 section 2.1 and RFC 7523 section 2.1.
func TestExchangeCall(t *testing.T) {
	const accessToken = "urn:ietf:params:oauth:token-type:access_token"
	tests := map[string]struct {
		oauth2  string
		headers [][2]string
		want    url.Values
	}{
		"as it is by itself": {exchange, [][2]string{{"authorization", "Bearer abc+/="}}, url.Values{
			"grant_type": {grantTokenExchange}, "subject_token": {"abc+/="}, "subject_token_type": {accessToken}}},
		"another header and type": {exchange + `, "subjectTokenHeader": "X-Subject", "subjectTokenType": "urn:ietf:params:oauth:token-type:jwt", "authStyle": "body"`,
			[][2]string{{"authorization", "Bearer other"}, {"x-subject", "abc"}}, url.Values{
				"grant_type": {grantTokenExchange}, "subject_token": {"abc"}, "subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"}, "client_id": {"id"}, "client_secret": {"s3cr3t"}}},
		"more fields": {exchange + `, "audience": "a", "scopes": ["b", "c"], "resource": "urn:d", "params": {"e": "f&g"}`, [][2]string{{"authorization", "Bearer abc"}}, url.Values{
			"grant_type": {grantTokenExchange}, "subject_token": {"abc"}, "subject_token_type": {accessToken}, "audience": {"a"}, "scope": {"b c"}, "resource": {"urn:d"}, "e": {"f&g"}}},
		"requested type": {exchange + `, "requestedTokenType": "urn:x"`, [][2]string{{"authorization", "Bearer abc"}}, url.Values{
			"grant_type": {grantTokenExchange}, "subject_token": {"abc"}, "subject_token_type": {accessToken}, "requested_token_type": {"urn:x"}}},
		"requested type by params": {exchange + `, "params": {"requested_token_type": "urn:x"}`, [][2]string{{"authorization", "Bearer abc"}}, url.Values{
			"grant_type": {grantTokenExchange}, "subject_token": {"abc"}, "subject_token_type": {accessToken}, "requested_token_type": {"urn:x"}}},
		"actor": {delegation, [][2]string{{"authorization", "Bearer abc"}, {"x-actor", "Bearer d+f"}}, url.Values{
			"grant_type": {grantTokenExchange}, "subject_token": {"abc"}, "subject_token_type": {accessToken}, "actor_token": {"d+f"}, "actor_token_type": {accessToken}}},
		"actor with a type": {delegation + `, "actorTokenType": "urn:x"`, [][2]string{{"x-actor", "def"}, {"authorization", "Bearer abc"}}, url.Values{
			"grant_type": {grantTokenExchange}, "subject_token": {"abc"}, "subject_token_type": {accessToken}, "actor_token": {"def"}, "actor_token_type": {"urn:x"}}},
		"the gateway as actor, by params": {exchange + `, "params": {"actor_token": "${SECRET}", "actor_token_type": "urn:x"}`, [][2]string{{"authorization", "Bearer abc"}}, url.Values{
			"grant_type": {grantTokenExchange}, "subject_token": {"abc"}, "subject_token_type": {accessToken}, "actor_token": {"s3cr3t"}, "actor_token_type": {"urn:x"}}},
		"no client": {`"authStyle": "none", "grantType": "` + grantTokenExchange + `", "audience": ["urn:a", "urn:b"]`, [][2]string{{"authorization", "Bearer abc"}}, url.Values{
			"grant_type": {grantTokenExchange}, "subject_token": {"abc"}, "subject_token_type": {accessToken}, "audience": {"urn:a", "urn:b"}}},
		"jwt-bearer": {jwtBearer, [][2]string{{"authorization", "Bearer abc+/="}}, url.Values{
			"grant_type": {grantJWTBearer}, "assertion": {"abc+/="}}},
		"on behalf of": {jwtBearer + `, "scopes": ["api://a/.default"], "authStyle": "body", "params": {"requested_token_use": "on_behalf_of"}`, [][2]string{{"authorization", "Bearer abc"}}, url.Values{
			"grant_type": {grantJWTBearer}, "assertion": {"abc"}, "scope": {"api://a/.default"}, "requested_token_use": {"on_behalf_of"}, "client_id": {"id"}, "client_secret": {"s3cr3t"}}},
		"assertion by another header": {jwtBearer + `, "subjectTokenHeader": "X-Assertion"`, [][2]string{{"authorization", "Bearer other"}, {"x-assertion", "abc"}}, url.Values{
			"grant_type": {grantJWTBearer}, "assertion": {"abc"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			service := mustRead(t, oauth2Config(test.oauth2, ""))
			form, err := url.ParseQuery(string(mustCall(t, service, callerOf(t, service, test.headers)).Body))
			if err != nil {
				t.Fatal(err)
			}
			if form.Encode() != test.want.Encode() {
				t.Errorf("form:\ngot      %s\nexpected %s", form.Encode(), test.want.Encode())
			}
		})
	}
}

// The client's own assertion has nothing to do with the caller's.
func TestExchangesOfClientsThatSign(t *testing.T) {
	const signs = `"clientId": "id", "clientSecret": "s3cr3t-of-32-bytes-or-more-s3cr3t", "authStyle": "client_secret_jwt", "grantType": "`
	tests := map[string]struct {
		oauth2 string
		want   []string // names of the form's fields
	}{
		"jwt-bearer": {signs + grantJWTBearer + `"`, []string{"assertion", "client_assertion", "client_assertion_type", "client_id", "grant_type"}},
		"actor": {signs + grantTokenExchange + `", "actorTokenHeader": "X-Actor"`, []string{"actor_token", "actor_token_type", "client_assertion", "client_assertion_type",
			"client_id", "grant_type", "subject_token", "subject_token_type"}},
		"public client": {`"clientId": "id", "authStyle": "none", "grantType": "` + grantJWTBearer + `"`, []string{"assertion", "client_id", "grant_type"}},
	}
	for name, test := range tests {
		service := mustRead(t, oauth2Config(test.oauth2, ""))
		caller := callerOf(t, service, [][2]string{{"authorization", "Bearer abc"}, {"x-actor", "def"}})
		form, err := url.ParseQuery(string(mustCall(t, service, caller).Body))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := slices.Sorted(maps.Keys(form)); !slices.Equal(got, test.want) || form.Get("assertion")+form.Get("subject_token") != "abc" || form.Get("client_assertion") == "abc" {
			t.Errorf("%s: got the form %v, expected the fields %v", name, form, test.want)
		}
	}
}

// A rule may change the grant that the global part has keys for.
func TestKeysOfAnotherGrant(t *testing.T) {
	const (
		client   = `"clientId": "id", "clientSecret": "s3cr3t"`
		ofOne    = " is not used: it belongs to grantType " + grantTokenExchange
		ofTwo    = " is not used: it belongs to grantTypes " + grantTokenExchange + " and " + grantJWTBearer
		all      = `, "subjectTokenHeader": "X-A", "keepSubjectToken": false, "allowMissing": true, "subjectTokenType": "urn:a", "requestedTokenType": "urn:b", "actorTokenHeader": "X-B", "actorTokenType": "urn:c"`
		replaced = "oauth2.keepSubjectToken is not used: the token service's token replaces the subjectTokenHeader"
	)
	exchangeOnly := []string{"oauth2.subjectTokenType" + ofOne, "oauth2.requestedTokenType" + ofOne, "oauth2.actorTokenHeader" + ofOne, "oauth2.actorTokenType" + ofOne}
	tests := map[string]struct {
		oauth2, more string
		want         []string
	}{
		"client credentials":          {client + all, "", append([]string{"oauth2.subjectTokenHeader" + ofTwo, "oauth2.keepSubjectToken" + ofTwo, "oauth2.allowMissing" + ofTwo}, exchangeOnly...)},
		"jwt-bearer":                  {jwtBearer + all, "", exchangeOnly},
		"token exchange":              {exchange + all, "", nil},
		"actor's type without actor":  {exchange + `, "actorTokenType": "urn:a"`, "", []string{"oauth2.actorTokenType is not used: there is no actorTokenHeader"}},
		"kept, but it is the token's": {exchange + `, "keepSubjectToken": true`, "", []string{replaced}},
		"kept, but the answer has it": {exchange + `, "keepSubjectToken": true, "subjectTokenHeader": "X-User"`, `, "upstreamHeaders": {"x-user": "body:a"}`, []string{replaced}},
		"kept":                        {exchange + `, "keepSubjectToken": true`, `, "tokenHeader": "X-Token"`, nil},
	}
	for name, test := range tests {
		_, s := readPart(oauth2Config(test.oauth2, test.more), true)
		if got := s.Warnings(); s.Err() != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q and %v, expected %q", name, got, s.Err(), test.want)
		}
	}
}

// Who brings no token may go on where the configuration says so, but not who brings a bad one.
func TestRequestsThatNeedNoToken(t *testing.T) {
	const allows = `, "allowMissing": true`
	own, custom := exchange+allows, exchange+allows+`, "subjectTokenHeader": "X-User"`
	for name, test := range map[string]struct {
		oauth2, header, value string
		want                  error
	}{
		"nothing":               {own, "", "", ErrAnonymous},
		"empty":                 {own, "authorization", " ", ErrAnonymous},
		"only the scheme":       {own, "authorization", "Bearer  ", ErrAnonymous},
		"another scheme":        {own, "authorization", "Basic YTpi", ErrAnonymous},
		"joined by the host":    {own, "authorization", "Basic YTpi,Bearer def", ErrNoSubjectToken},
		"a scheme with commas":  {own, "authorization", `Digest username="a", realm="b"`, ErrAnonymous},
		"not a token's letters": {own, "authorization", "bearer abc&a=b", ErrNoSubjectToken},
		"a token":               {own, "authorization", "Bearer abc", nil},
		"jwt-bearer":            {jwtBearer + allows, "", "", ErrAnonymous},
		"own header, nothing":   {custom, "authorization", "Bearer abc", ErrAnonymous},
		"own header, bad":       {custom, "x-user", "abc&a=b", ErrNoSubjectToken},
		"both missing":          {delegation + allows, "", "", ErrAnonymous},
	} {
		_, err := mustRead(t, oauth2Config(test.oauth2, "")).AppendCaller(nil, [][2]string{{test.header, test.value}})
		if !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, expected %v", name, err, test.want)
		}
	}
}
