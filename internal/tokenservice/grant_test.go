package tokenservice

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// What a failure says about later calls, to whom, and in the log.
func TestKindsOfFailure(t *testing.T) {
	const grant = `{"error": "invalid_grant", "error_description": "s3cr3t"}`
	wait := [][2]string{{"retry-after", "7"}}
	deep := `{"error": "invalid_grant", "a": ` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + "}"
	tests := map[string]struct {
		answer Answer
		want   Failure
	}{
		"no answer":             {Answer{}, Failure{Unavailable, "got no answer: timeout, reset or no connection", 0}},
		"500":                   {Answer{Status: 500}, Failure{Unavailable, "answered 500", 0}},
		"503 with Retry-After":  {Answer{Status: 503, Headers: wait}, Failure{Unavailable, "answered 503 (or Envoy says so, having no connection)", 7 * time.Second}},
		"504":                   {Answer{Status: 504}, Failure{Unavailable, "answered 504 (or Envoy says so, having no answer in time)", 0}},
		"429 with Retry-After":  {Answer{Status: 429, Headers: wait}, Failure{Unavailable, "answered 429", 7 * time.Second}},
		"500 and invalid_grant": {Answer{Status: 500, Body: []byte(grant)}, Failure{Unavailable, "answered 500 (invalid_grant)", 0}},
		"invalid_grant":         {Answer{Status: 400, Body: []byte(grant)}, Failure{SubjectRefused, "answered 400 (invalid_grant)", 0}},
		"invalid_token":         {Answer{Status: 401, Body: []byte(`{"error": "invalid_token"}`)}, Failure{SubjectRefused, "answered 401 (invalid_token)", 0}},
		"invalid_request":       {Answer{Status: 400, Body: []byte(`{"error": "invalid_request"}`)}, Failure{SubjectRefused, "answered 400 (invalid_request)", 0}},
		"invalid_grant, 403":    {Answer{Status: 403, Body: []byte(grant)}, Failure{Refused, "answered 403 (invalid_grant)", 0}},
		"invalid_client":        {Answer{Status: 401, Body: []byte(`{"error": "invalid_client"}`)}, Failure{Refused, "answered 401 (invalid_client)", 0}},
		"invalid_scope":         {Answer{Status: 400, Headers: wait, Body: []byte(`{"error": "invalid_scope"}`)}, Failure{Refused, "answered 400 (invalid_scope)", 0}},
		"an odd code":           {Answer{Status: 400, Body: []byte(`{"error": "s3cr3t"}`)}, Failure{Refused, "answered 400", 0}},
		"a long code":           {Answer{Status: 400, Body: []byte(`{"error": "` + strings.Repeat("a", 41) + `"}`)}, Failure{Refused, "answered 400", 0}},
		"no code":               {Answer{Status: 400, Body: []byte("no")}, Failure{Refused, "answered 400", 0}},
		"deep":                  {Answer{Status: 400, Body: []byte(deep)}, Failure{Refused, "answered 400", 0}},
		"beyond what is read":   {Answer{Status: 400, Body: []byte(grant + strings.Repeat(" ", MaxAnswerBytes))}, Failure{Refused, "answered 400", 0}},
		"a redirect":            {Answer{Status: 302}, Failure{Refused, "answered 302", 0}},
		"too large":             {Answer{Status: 200, Body: make([]byte, MaxAnswerBytes+1)}, Failure{Refused, "answered more than 1048576 bytes", 0}},
		"no token":              {Answer{Status: 200, Body: []byte("{}")}, Failure{NoToken, "answered 200 without a usable token", 0}},
		"no content":            {Answer{Status: 204}, Failure{NoToken, "answered 204 without a usable token", 0}},
	}
	for name, test := range tests {
		for grant, keys := range map[string]string{"token exchange": exchange, "with an actor": delegation, "jwt-bearer": jwtBearer} {
			service := mustRead(t, oauth2Config(keys, ""))
			t.Run(name+"/"+grant, func(t *testing.T) { checkFailed(t, service, &test.answer, test.want) })
		}
	}
}

func checkFailed(t *testing.T, service *Service, a *Answer, want Failure) {
	t.Helper()
	granted, failed := service.Grant(a, &Caller{tokens: [2]string{"abc"}}, fuzzNow)
	if failed == nil {
		t.Fatalf("got %+v, expected a failure", granted)
	}
	if *failed != want || failed.Error() != want.Reason {
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
		if failed == nil || *failed != (Failure{Refused, want, 0}) {
			t.Errorf("got %+v, expected %q", failed, want)
		}
	}
}

// Without an exchange, invalid_grant is about the operator's own credentials.
func TestOnlyAnExchangeRefusesSubjects(t *testing.T) {
	service := mustRead(t, oauth2Config(`"clientId": "id", "clientSecret": "s"`, ""))
	for _, code := range subjectErrors {
		_, failed := service.Grant(&Answer{Status: 400, Body: []byte(`{"error": "` + code + `"}`)}, nil, fuzzNow)
		if kindOf(failed) != Refused {
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
		caller *Caller
		want   Grant
	}{
		"not cached":         {sampleJSON, inHeader([2]string{"cache-control", "max-age=20"}), nil, Grant{}},
		"not cached, caller": {sampleJSON, inHeader(), &Caller{tokens: [2]string{jwt(`{"exp": 1795435220}`)}}, Grant{}},
		"cached":             {extended(`"cache": {}`), inHeader([2]string{"cache-control", "max-age=20"}), nil, Grant{Lifetime: 20 * time.Second}},
		"its default":        {extended(`"cache": {}`), inHeader(), nil, Grant{Lifetime: 300 * time.Second}},
		"configured":         {extended(`"cache": {"ttl": 7}`), inHeader(), nil, Grant{Lifetime: 7 * time.Second}},
		"capped":             {extended(`"cache": {"maxTtl": 7}`), inHeader([2]string{"cache-control", "max-age=20"}), nil, Grant{Lifetime: 7 * time.Second}},
		"path":               {extended(`"cache": {"expiresInPath": "a.b"}`), Answer{Status: 200, Headers: inHeader().Headers, Body: []byte(`{"a": {"b": 9}}`)}, nil, Grant{Lifetime: 9 * time.Second}},
		"no-store":           {extended(`"cache": {}`), inHeader([2]string{"cache-control", "no-store"}), nil, Grant{Uncached: "yes"}},
		"forwarding":         {extended(`"cache": {}, "forwardHeaders": ["a"]`), inHeader([2]string{"cache-control", "max-age=20"}), &Caller{}, Grant{Lifetime: 20 * time.Second}},
		"OAuth's no-store":   {oauth2Config(`"clientId": "id", "clientSecret": "s"`, ""), Answer{Status: 200, Headers: [][2]string{{"cache-control", "no-store"}, {"expires", "0"}}, Body: []byte(`{"access_token": "t1"}`)}, nil, Grant{Lifetime: 300 * time.Second}},
		"opaque subject":     {oauth2Config(exchange, ""), exchanged, &Caller{tokens: [2]string{"abc"}}, Grant{Lifetime: time.Hour}},
		"subject ends first": {oauth2Config(exchange, ""), exchanged, &Caller{tokens: [2]string{jwt(`{"exp": 1795435220}`)}}, Grant{Lifetime: 80 * time.Second, SubjectLifetime: 80 * time.Second}},
		"subject ends later": {oauth2Config(exchange, ""), exchanged, &Caller{tokens: [2]string{jwt(`{"exp": 1795442400}`)}}, Grant{Lifetime: time.Hour, SubjectLifetime: 2*time.Hour + time.Minute}},
		"subject, year 2286": {oauth2Config(exchange, ""), exchanged, &Caller{tokens: [2]string{jwt(`{"exp": 9999999999}`)}}, Grant{Lifetime: time.Hour, SubjectLifetime: maxSubjectLifetime}},
		"subject, year 5138": {oauth2Config(exchange, ""), exchanged, &Caller{tokens: [2]string{jwt(`{"exp": 99999999999}`)}}, Grant{Lifetime: time.Hour, SubjectLifetime: maxSubjectLifetime}},
		"actor ends first":   {oauth2Config(exchange, ""), exchanged, &Caller{tokens: [2]string{jwt(`{"exp": 1795442400}`), jwt(`{"exp": 1795435220}`)}}, Grant{Lifetime: 80 * time.Second, SubjectLifetime: 80 * time.Second}},
		"jwt-bearer":         {oauth2Config(jwtBearer, ""), exchanged, &Caller{tokens: [2]string{jwt(`{"exp": 1795435220}`)}}, Grant{Lifetime: 80 * time.Second, SubjectLifetime: 80 * time.Second}},
		"subject just ended": {oauth2Config(exchange, ""), exchanged, &Caller{tokens: [2]string{jwt(`{"exp": 1795435170}`)}}, Grant{Lifetime: 30 * time.Second, SubjectLifetime: 30 * time.Second}},
		"subject has ended":  {oauth2Config(exchange, ""), exchanged, &Caller{tokens: [2]string{jwt(`{"exp": 1795435100}`)}}, Grant{Lifetime: 1, SubjectLifetime: 1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, failed := mustRead(t, test.config).Grant(&test.answer, test.caller, now)
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
