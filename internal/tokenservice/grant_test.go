package tokenservice

import (
	"fmt"
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
		answer Response
		want   token.Error
	}{
		"no answer":             {Response{Took: 12 * time.Millisecond}, token.Error{Reason: token.NoAnswer, Detail: "got no answer: reset or no connection after 12ms"}},
		"a timeout":             {Response{Took: 499 * time.Millisecond}, token.Error{Reason: token.NoAnswer, Detail: "got no answer within the timeout of 500ms"}},
		"503 with Retry-After":  {Response{Status: 503, Headers: wait}, token.Error{Reason: token.ServerError, Detail: "answered 503 (possibly from Envoy itself: no connection)", RetryAfter: 7 * time.Second}},
		"301":                   {Response{Status: 301}, token.Error{Reason: token.OtherStatus, Detail: "answered 301 (redirects are not followed)"}},
		"504":                   {Response{Status: 504}, token.Error{Reason: token.ServerError, Detail: "answered 504 (possibly from Envoy itself: no answer within the timeout of 500ms)"}},
		"429 with Retry-After":  {Response{Status: 429, Headers: wait}, token.Error{Reason: token.RateLimited, Detail: "answered 429", RetryAfter: 7 * time.Second}},
		"500 and invalid_grant": {Response{Status: 500, Body: []byte(grant)}, token.Error{Reason: token.ServerError, Detail: "answered 500 (invalid_grant)"}},
		"invalid_grant":         {Response{Status: 400, Body: []byte(grant)}, token.Error{Reason: token.SubjectRefused, Detail: "answered 400 (invalid_grant)"}},
		"invalid_token":         {Response{Status: 401, Body: []byte(`{"error": "invalid_token"}`)}, token.Error{Reason: token.SubjectRefused, Detail: "answered 401 (invalid_token)"}},
		"invalid_request":       {Response{Status: 400, Body: []byte(`{"error": "invalid_request"}`)}, token.Error{Reason: token.SubjectRefused, Detail: "answered 400 (invalid_request)"}},
		"invalid_grant, 403":    {Response{Status: 403, Body: []byte(grant)}, token.Error{Reason: token.OtherStatus, Detail: "answered 403 (invalid_grant)"}},
		"invalid_client":        {Response{Status: 401, Body: []byte(`{"error": "invalid_client"}`)}, token.Error{Reason: token.OtherStatus, Detail: "answered 401 (invalid_client)"}},
		"invalid_scope":         {Response{Status: 400, Headers: wait, Body: []byte(`{"error": "invalid_scope"}`)}, token.Error{Reason: token.OtherStatus, Detail: "answered 400 (invalid_scope)"}},
		"403 with Retry-After":  {Response{Status: 403, Headers: wait}, token.Error{Reason: token.OtherStatus, Detail: "answered 403", RetryAfter: 7 * time.Second}},
		"a redirect":            {Response{Status: 307, Headers: [][2]string{{"location", "/s3cr3t"}}}, token.Error{Reason: token.OtherStatus, Detail: "answered 307 (redirects are not followed)"}},
		"an unknown body":       {Response{Status: 415}, token.Error{Reason: token.OtherStatus, Detail: "answered 415 (check Content-Type in requestHeaders)"}},
		"a form":                {Response{Status: 401, Headers: [][2]string{{"content-type", "application/x-www-form-urlencoded"}}, Body: []byte("error=invalid_client")}, token.Error{Reason: token.OtherStatus, Detail: "answered 401 (invalid_client)"}},
		"Entra ID's code":       {Response{Status: 401, Body: []byte(`{"error": "invalid_client", "error_description": "s3cr3t", "error_codes": [7000222], "timestamp": "s3cr3t"}`)}, token.Error{Reason: token.OtherStatus, Detail: "answered 401 (invalid_client, 7000222)"}},
		"a proof is missing":    {Response{Status: 400, Body: []byte(`{"error": "invalid_dpop_proof", "error_description": "The DPoP proof JWT header is missing."}`)}, token.Error{Reason: token.OtherStatus, Detail: "answered 400 (invalid_dpop_proof) (it demands DPoP, which is not supported: the upstream would need proofs, too)"}},
		"IBM's code":            {Response{Status: 400, Body: []byte(`{"errorCode": "BXNIM0415E", "errorMessage": "s3cr3t"}`)}, token.Error{Reason: token.OtherStatus, Detail: "answered 400 (BXNIM0415E)"}},
		"Google's code":         {Response{Status: 404, Body: []byte(`{"error": {"code": 404, "message": "s3cr3t", "status": "NOT_FOUND"}}`)}, token.Error{Reason: token.OtherStatus, Detail: "answered 404"}},
		"one code twice":        {Response{Status: 401, Body: []byte(`{"error": "invalid_client", "errorCode": "invalid_client", "code": -1}`)}, token.Error{Reason: token.OtherStatus, Detail: "answered 401 (invalid_client, -1)"}},
		"a code that is none":   {Response{Status: 401, Body: []byte(`{"code": "s3cr3t", "errcode": "s3cr3t", "error_code": 1234567890123, "errorCode": 0, "ErrorCode": "S3cr3t", "error": {"code": "s3cr3t"}}`)}, token.Error{Reason: token.OtherStatus, Detail: "answered 401"}},
		"a long code":           {Response{Status: 400, Body: []byte(`{"error": "` + strings.Repeat("a", 41) + `"}`)}, token.Error{Reason: token.OtherStatus, Detail: "answered 400"}},
		"deep":                  {Response{Status: 400, Body: []byte(deep)}, token.Error{Reason: token.OtherStatus, Detail: "answered 400"}},
		"beyond what is read":   {Response{Status: 400, Body: []byte(grant + strings.Repeat(" ", MaxResponseBytes))}, token.Error{Reason: token.OtherStatus, Detail: "answered 400"}},
		"no content":            {Response{Status: 204}, token.Error{Reason: token.NoToken, Detail: "answered 204 without a usable token: the body is empty"}},
	}
	for name, test := range tests {
		for grant, keys := range map[string]string{"token exchange": exchange, "with an actor": delegation, "jwt-bearer": jwtBearer} {
			service := mustRead(t, oauth2Config(keys, ""))
			t.Run(name+"/"+grant, func(t *testing.T) { checkFailed(t, service, &test.answer, test.want) })
		}
	}
}

func checkFailed(t *testing.T, service *Service, a *Response, want token.Error) {
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
		t.Errorf("got a failure with values %q, expected none", granted.Values)
	}
}

func TestConditionsInTheReason(t *testing.T) {
	for condition, want := range map[string]string{
		`{"path": "errcode", "equals": "0"}`: "answered 200 (60020), but successWhen does not hold for path errcode",
		`{"path": "code", "equals": "0"}`:    "answered 200, but successWhen does not hold for path code",
		`{"header": "X-OK", "equals": "0"}`:  "answered 200, but successWhen does not hold for header x-ok",
	} {
		service := mustRead(t, extended(`"successWhen": [`+condition+`]`))
		body := `{"code": "s3cr3t"}`
		if strings.Contains(condition, "errcode") {
			body = `{"errcode": 60020, "errmsg": "s3cr3t"}`
		}
		_, failed := service.Grant(&Response{Status: 200, Headers: [][2]string{{"x-ok", "s3cr3t"}}, Body: []byte(body)}, nil, fuzzNow)
		if failed == nil || *failed != (token.Error{Reason: token.BadAnswer, Detail: want}) {
			t.Errorf("got %+v, expected %q", failed, want)
		}
	}
}

// A number that goes upstream is no error code, whatever its name.
func TestTokenIsNoErrorCode(t *testing.T) {
	for name, keys := range map[string]string{
		"the token":         `"tokenPath": "code"`,
		"an upstreamHeader": `"tokenPath": "token", "upstreamHeaders": {"X-Code": "body:code"}`,
	} {
		service := mustRead(t, extended(keys+`, "successWhen": [{"path": "state", "equals": "done"}]`))
		_, failed := service.Grant(&Response{Status: 200, Body: []byte(`{"code": 123456, "token": "t1", "state": "pending"}`)}, nil, fuzzNow)
		if want := "answered 200, but successWhen does not hold for path state"; failed == nil || failed.Detail != want {
			t.Errorf("%s: got %+v, expected %q", name, failed, want)
		}
	}
}

// An answer of up to 16 KiB is searched for the service's own code, a longer one only for that of OAuth.
func TestErrorCodesOfLongAnswers(t *testing.T) {
	service := mustRead(t, sampleJSON)
	for size, want := range map[int]string{16 << 10: "answered 401 (invalid_client, 7000222)", 16<<10 + 1: "answered 401 (invalid_client)", MaxResponseBytes: "answered 401 (invalid_client)"} {
		body := `{"error": "invalid_client", "error_codes": [7000222], "pad": ""}`
		body = strings.Replace(body, `"pad": "`, `"pad": "`+strings.Repeat("x", size-len(body)), 1)
		if _, failed := service.Grant(&Response{Status: 401, Body: []byte(body)}, nil, fuzzNow); failed == nil || failed.Detail != want {
			t.Errorf("%d bytes: got %+v, expected %q", len(body), failed, want)
		}
	}
}

// Servers that compare the id and the secret in Authorization with what the client sends, without decoding it, refuse
// credentials that encoding has changed.
func TestHintAtEncodedCredentials(t *testing.T) {
	const hint = " (a server that does not decode the id and the secret in Authorization needs oauth2.authStyle body)"
	for _, test := range []struct{ keys, code, want string }{
		{`"clientId": "id", "clientSecret": "s3cr3t="`, "", "answered 401" + hint},
		{`"clientId": "sb-app!t1", "clientSecret": "s3cr3t"`, "unauthorized", "answered 401 (unauthorized)" + hint},
		{`"clientId": "id", "clientSecret": "s3cr3t="`, "invalid_client", "answered 401 (invalid_client)" + hint},
		{`"clientId": "id", "clientSecret": "s3cr3t="`, "invalid_scope", "answered 401 (invalid_scope)"},
		{`"clientId": "id", "clientSecret": "s3cr3t-._"`, "invalid_client", "answered 401 (invalid_client)"},
		{`"clientId": "id", "clientSecret": "s3cr3t=", "authStyle": "body"`, "invalid_client", "answered 401 (invalid_client)"},
	} {
		service := mustRead(t, oauth2Config(test.keys, ""))
		_, failed := service.Grant(&Response{Status: 401, Body: []byte(`{"error": "` + test.code + `"}`)}, nil, fuzzNow)
		if failed == nil || failed.Detail != test.want {
			t.Errorf("%s: got %v, expected %q", test.keys, failed, test.want)
		}
	}
}

// Without an exchange, invalid_grant is about the operator's own credentials.
func TestOnlyAnExchangeRefusesSubjects(t *testing.T) {
	service := mustRead(t, oauth2Config(`"clientId": "id", "clientSecret": "s"`, ""))
	for _, code := range subjectErrors {
		_, failed := service.Grant(&Response{Status: 400, Body: []byte(`{"error": "` + code + `"}`)}, nil, fuzzNow)
		if reasonIn(failed) != token.OtherStatus {
			t.Errorf("%s: got %+v, expected it to be refused", code, failed)
		}
	}
}

// A refresh token that is valid once fails long after the answer that replaced it.
func TestRotatedRefreshTokens(t *testing.T) {
	const client, grant = `"clientId": "id", "clientSecret": "s"`, `, "grantType": "refresh_token", "params": {"refresh_token": `
	for _, test := range []struct {
		keys, answer string
		warns        bool
	}{
		{client + grant + `"${SECRET}"}`, `"refresh_token": "s3cr3t-2"`, true},
		{client + grant + `"${SECRET}"}`, `"refresh_token": "s3cr3t"`, false},
		{client + grant + `"${SECRET}"}`, `"refresh_token": ""`, false},
		{client + grant + `"${SECRET}"}`, `"refresh_token": null`, false},
		{client + grant + `"${SECRET}"}`, `"expires_in": 60`, false},
		{client + grant + `"${token.login}"}`, `"refresh_token": "s3cr3t-2"`, false}, // which may be a new one for each call
		{client, `"refresh_token": "s3cr3t-2"`, false},
	} {
		service := mustRead(t, oauth2Config(test.keys, ""))
		got, failed := service.Grant(&Response{Status: 200, Body: []byte(`{"access_token": "t1", ` + test.answer + `}`)}, nil, now)
		if failed != nil || (got.Rotated != "") != test.warns || strings.Contains(got.Rotated, "s3cr3t") {
			t.Errorf("%s, %s: got %q and %v, expected a warning: %t", test.keys, test.answer, got.Rotated, failed, test.warns)
		}
	}
}

// How long a token lives, and what says so: the log shows it at level debug.
func TestGrant(t *testing.T) {
	const client = `"clientId": "id", "clientSecret": "s"`
	tests := map[string]struct {
		config, control, body string
		exps                  []int64 // of the caller's tokens, 0: it is opaque; nil: there is no caller
		lifetime, subject     time.Duration
		from                  string
	}{
		"not cached":           {sampleJSON, "max-age=20", `{}`, nil, 0, 0, ""},
		"Cache-Control":        {extended(`"cache": {}`), "max-age=20", `{}`, nil, 20 * time.Second, 0, "Cache-Control"},
		"no-store":             {extended(`"cache": {}`), "no-store", `{}`, nil, 0, 0, "Cache-Control"},
		"nothing said":         {extended(`"cache": {}`), "", `{}`, nil, 300 * time.Second, 0, "ttl"},
		"another path":         {extended(`"cache": {"expiresInPath": "a.b"}`), "", `{"a": {"b": 9}}`, nil, 9 * time.Second, 0, "a.b"},
		"an end":               {extended(`"cache": {"expiresAtPath": "end"}`), "", `{"end": 1795435240}`, nil, 40 * time.Second, 0, "end"},
		"not readable":         {extended(`"cache": {}`), "", `{"expires_in": "soon"}`, nil, time.Minute, 0, "a lifetime that can't be read"},
		"a cap":                {extended(`"cache": {"maxTtl": 30}`), "", `{"expires_in": 60}`, nil, 30 * time.Second, 0, "maxTtl"},
		"a cap that is higher": {extended(`"cache": {"maxTtl": 90}`), "", `{"expires_in": 60}`, nil, time.Minute, 0, "expires_in"},
		"OAuth's no-store":     {oauth2Config(client, ""), "no-store", `{"access_token": "t1"}`, nil, 300 * time.Second, 0, "ttl"},
		"a JWT":                {oauth2Config(client, ""), "", fmt.Sprintf(`{"access_token": %q, "expires_in": 3600}`, jwt(`{"exp": 1795435260}`)), nil, time.Minute, 0, "exp"},
		"opaque subject":       {oauth2Config(exchange, ""), "", "", []int64{0}, time.Hour, 0, "expires_in"},
		"subject ends first":   {oauth2Config(exchange, ""), "", "", []int64{1795435220}, 80 * time.Second, 80 * time.Second, "the caller's token"},
		"subject ends later":   {oauth2Config(exchange, ""), "", "", []int64{1795442400}, time.Hour, 2*time.Hour + time.Minute, "expires_in"},
		"subject, year 2286":   {oauth2Config(exchange, ""), "", "", []int64{9999999999}, time.Hour, maxSubjectLifetime, "expires_in"},
		"actor ends first":     {oauth2Config(delegation, ""), "", "", []int64{1795442400, 1795435220}, 80 * time.Second, 80 * time.Second, "the caller's token"},
		"subject just ended":   {oauth2Config(exchange, ""), "", "", []int64{1795435170}, 30 * time.Second, 30 * time.Second, "the caller's token"},
		"subject has ended":    {oauth2Config(exchange, ""), "", "", []int64{1795435100}, 1, 1, "the caller's token"},
	}
	for name, test := range tests {
		service, a := mustRead(t, test.config), Response{Status: 200, Headers: [][2]string{{"x-token", "t1"}}, Body: []byte(test.body)}
		if test.control != "" {
			a.Headers = append(a.Headers, [2]string{"cache-control", test.control})
		}
		var caller *Caller
		if test.exps != nil {
			a.Body = []byte(`{"access_token": "t1", "token_type": "Bearer", "expires_in": 3600}`)
			var tokens []string
			for _, exp := range test.exps {
				tokens = append(tokens, map[bool]string{true: "abc", false: jwt(fmt.Sprintf(`{"exp": %d}`, exp))}[exp == 0])
			}
			caller = callerWith(service, tokens...)
		}
		got, failed := service.Grant(&a, caller, now)
		if failed != nil || got.Lifetime != test.lifetime || got.SubjectLifetime != test.subject || got.LifetimeFrom != test.from || (got.Uncached != "") != (test.control == "no-store" && test.lifetime == 0) {
			t.Errorf("%s: got %+v (%v), expected %s by %s, and %s of the subject", name, got, failed, test.lifetime, test.from, test.subject)
		}
	}
}
