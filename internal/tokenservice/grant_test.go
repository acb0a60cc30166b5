package tokenservice

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/token"
)

// What a failure says about later calls, to whom, and in the log.
func TestReasonsOfFailures(t *testing.T) {
	const grant = `{"error": "invalid_grant", "error_description": "s3cr3t"}`
	wait := [][2]string{{"retry-after", "7"}}
	deep := `{"error": "invalid_grant", "a": ` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + "}"
	tests := map[string]struct {
		answer Answer
		want   token.Error
	}{
		"no answer":             {Answer{Took: 12 * time.Millisecond}, token.Error{Reason: token.NoAnswer, Detail: "got no answer: reset or no connection after 12ms"}},
		"a timeout":             {Answer{Took: 499 * time.Millisecond}, token.Error{Reason: token.NoAnswer, Detail: "got no answer within the timeout of 500ms"}},
		"503 with Retry-After":  {Answer{Status: 503, Headers: wait}, token.Error{Reason: token.ServerError, Detail: "answered 503 (or Envoy says so, having no connection)", RetryAfter: 7 * time.Second}},
		"504":                   {Answer{Status: 504}, token.Error{Reason: token.ServerError, Detail: "answered 504 (or Envoy says so, having no answer within the timeout of 500ms)"}},
		"429 with Retry-After":  {Answer{Status: 429, Headers: wait}, token.Error{Reason: token.RateLimited, Detail: "answered 429", RetryAfter: 7 * time.Second}},
		"500 and invalid_grant": {Answer{Status: 500, Body: []byte(grant)}, token.Error{Reason: token.ServerError, Detail: "answered 500 (invalid_grant)"}},
		"invalid_grant":         {Answer{Status: 400, Body: []byte(grant)}, token.Error{Reason: token.SubjectRefused, Detail: "answered 400 (invalid_grant)"}},
		"invalid_token":         {Answer{Status: 401, Body: []byte(`{"error": "invalid_token"}`)}, token.Error{Reason: token.SubjectRefused, Detail: "answered 401 (invalid_token)"}},
		"invalid_request":       {Answer{Status: 400, Body: []byte(`{"error": "invalid_request"}`)}, token.Error{Reason: token.SubjectRefused, Detail: "answered 400 (invalid_request)"}},
		"invalid_grant, 403":    {Answer{Status: 403, Body: []byte(grant)}, token.Error{Reason: token.OtherStatus, Detail: "answered 403 (invalid_grant)"}},
		"invalid_client":        {Answer{Status: 401, Body: []byte(`{"error": "invalid_client"}`)}, token.Error{Reason: token.OtherStatus, Detail: "answered 401 (invalid_client)"}},
		"invalid_scope":         {Answer{Status: 400, Headers: wait, Body: []byte(`{"error": "invalid_scope"}`)}, token.Error{Reason: token.OtherStatus, Detail: "answered 400 (invalid_scope)"}},
		"a long code":           {Answer{Status: 400, Body: []byte(`{"error": "` + strings.Repeat("a", 41) + `"}`)}, token.Error{Reason: token.OtherStatus, Detail: "answered 400"}},
		"deep":                  {Answer{Status: 400, Body: []byte(deep)}, token.Error{Reason: token.OtherStatus, Detail: "answered 400"}},
		"beyond what is read":   {Answer{Status: 400, Body: []byte(grant + strings.Repeat(" ", MaxAnswerBytes))}, token.Error{Reason: token.OtherStatus, Detail: "answered 400"}},
		"no content":            {Answer{Status: 204}, token.Error{Reason: token.NoToken, Detail: "answered 204 without a usable token: the body is empty"}},
	}
	for name, test := range tests {
		for grant, keys := range map[string]string{"token exchange": exchange, "with an actor": delegation, "jwt-bearer": jwtBearer} {
			service := mustRead(t, oauth2Config(keys, ""))
			t.Run(name+"/"+grant, func(t *testing.T) { checkFailed(t, service, &test.answer, test.want) })
		}
	}
}

func checkFailed(t *testing.T, service *Service, a *Answer, want token.Error) {
	t.Helper()
	granted, failed := service.Grant(a, callerWith(service, "abc"), fuzzNow)
	if failed == nil {
		t.Fatalf("got %+v, expected a failure", granted)
	}
	want.IsUnauthorized = strings.Contains(want.Detail, "answered 400 (invalid_grant)")
	if strings.HasPrefix(want.Detail, fmt.Sprint("answered ", a.Status)) && a.Status/100 != 2 {
		want.Status = a.Status
	}
	if *failed != want || failed.Error() != want.Detail {
		t.Errorf("got      %+v\nexpected %+v", *failed, want)
	}
	if granted.Values != nil {
		t.Errorf("got values beside a failure: %q", granted.Values)
	}
}

func TestConditionsInTheReason(t *testing.T) {
	for condition, want := range map[string]string{
		`{"path": "code", "equals": "0"}`:   "answered 200, but successWhen does not hold for path code",
		`{"header": "X-OK", "equals": "0"}`: "answered 200, but successWhen does not hold for header x-ok",
	} {
		service := mustRead(t, extended(`"successWhen": [`+condition+`]`))
		_, failed := service.Grant(&Answer{Status: 200, Headers: [][2]string{{"x-ok", "s3cr3t"}}, Body: []byte(`{"code": "s3cr3t"}`)}, nil, fuzzNow)
		if failed == nil || *failed != (token.Error{Reason: token.BadAnswer, Detail: want}) {
			t.Errorf("got %+v, expected %q", failed, want)
		}
	}
}

// Without an exchange, invalid_grant is about the operator's own credentials.
func TestOnlyAnExchangeRefusesSubjects(t *testing.T) {
	service := mustRead(t, oauth2Config(`"clientId": "id", "clientSecret": "s"`, ""))
	for _, code := range subjectErrors {
		_, failed := service.Grant(&Answer{Status: 400, Body: []byte(`{"error": "` + code + `"}`)}, nil, fuzzNow)
		if reasonIn(failed) != token.OtherStatus {
			t.Errorf("%s: got %+v, expected it to be refused", code, failed)
		}
	}
}

func TestGrant(t *testing.T) {
	now := time.Unix(1795435200, 0)
	inHeader := func(more ...[2]string) Answer {
		return Answer{Status: 200, Headers: append([][2]string{{"x-token", "t1"}}, more...)}
	}
	exchanged := Answer{Status: 200, Body: []byte(`{"access_token": "t1", "token_type": "Bearer", "expires_in": 3600}`)}
	tests := map[string]struct {
		config string
		answer Answer
		tokens []string // of the caller; nil: there is none
		want   Grant
	}{
		"not cached":         {sampleJSON, inHeader([2]string{"cache-control", "max-age=20"}), nil, Grant{}},
		"cached":             {extended(`"cache": {}`), inHeader([2]string{"cache-control", "max-age=20"}), nil, Grant{Token: token.Token{Lifetime: 20 * time.Second}}},
		"path":               {extended(`"cache": {"expiresInPath": "a.b"}`), Answer{Status: 200, Headers: inHeader().Headers, Body: []byte(`{"a": {"b": 9}}`)}, nil, Grant{Token: token.Token{Lifetime: 9 * time.Second}}},
		"no-store":           {extended(`"cache": {}`), inHeader([2]string{"cache-control", "no-store"}), nil, Grant{Uncached: "yes"}},
		"OAuth's no-store":   {oauth2Config(`"clientId": "id", "clientSecret": "s"`, ""), Answer{Status: 200, Headers: [][2]string{{"cache-control", "no-store"}, {"expires", "0"}}, Body: []byte(`{"access_token": "t1"}`)}, nil, Grant{Token: token.Token{Lifetime: 300 * time.Second}}},
		"opaque subject":     {oauth2Config(exchange, ""), exchanged, []string{"abc"}, Grant{Token: token.Token{Lifetime: time.Hour}}},
		"subject ends first": {oauth2Config(exchange, ""), exchanged, []string{jwt(`{"exp": 1795435220}`)}, Grant{Token: token.Token{Lifetime: 80 * time.Second, SubjectLifetime: 80 * time.Second}}},
		"subject ends later": {oauth2Config(exchange, ""), exchanged, []string{jwt(`{"exp": 1795442400}`)}, Grant{Token: token.Token{Lifetime: time.Hour, SubjectLifetime: 2*time.Hour + time.Minute}}},
		"subject, year 2286": {oauth2Config(exchange, ""), exchanged, []string{jwt(`{"exp": 9999999999}`)}, Grant{Token: token.Token{Lifetime: time.Hour, SubjectLifetime: maxSubjectLifetime}}},
		"actor ends first":   {oauth2Config(delegation, ""), exchanged, []string{jwt(`{"exp": 1795442400}`), jwt(`{"exp": 1795435220}`)}, Grant{Token: token.Token{Lifetime: 80 * time.Second, SubjectLifetime: 80 * time.Second}}},
		"subject just ended": {oauth2Config(exchange, ""), exchanged, []string{jwt(`{"exp": 1795435170}`)}, Grant{Token: token.Token{Lifetime: 30 * time.Second, SubjectLifetime: 30 * time.Second}}},
		"subject has ended":  {oauth2Config(exchange, ""), exchanged, []string{jwt(`{"exp": 1795435100}`)}, Grant{Token: token.Token{Lifetime: 1, SubjectLifetime: 1}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			service := mustRead(t, test.config)
			var caller *Caller
			if test.tokens != nil {
				caller = callerWith(service, test.tokens...)
			}
			got, failed := service.Grant(&test.answer, caller, now)
			if failed != nil {
				t.Fatal(failed)
			}
			want := []string{"t1"}
			if strings.Contains(test.config, "oauth2") {
				want = []string{"Bearer t1"}
			}
			if !slices.Equal(got.Values, want) {
				t.Errorf("values: got %q, expected %q", got.Values, want)
			}
			got.Values = nil
			if got.Lifetime != test.want.Lifetime || got.SubjectLifetime != test.want.SubjectLifetime || (got.Uncached != "") != (test.want.Uncached != "") {
				t.Errorf("got      %+v\nexpected %+v", got, test.want)
			}
		})
	}
}
