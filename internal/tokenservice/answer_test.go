package tokenservice

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/schema"
)

// gotToken is no kind of failure.
const gotToken Kind = -1

func kindOf(f *Failure) Kind {
	if f == nil {
		return gotToken
	}
	return f.Kind
}

func jwt(claims string) string {
	return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

func TestReadAnswer(t *testing.T) {
	header := func(value string) Answer { return Answer{Status: 200, Headers: [][2]string{{"x-token", value}}} }
	body := func(status int, text string) Answer { return Answer{Status: status, Body: []byte(text)} }
	inBody := `"tokenPath": "data.token"`
	tests := map[string]struct {
		config string
		answer Answer
		want   string // the token header's value
		kind   Kind
	}{
		"header":                      {"", header("t1"), "t1", gotToken},
		"first of two headers":        {"", Answer{Status: 200, Headers: [][2]string{{"x-token", "t1"}, {"x-token", "t2"}}}, "t1", gotToken},
		"spaces around":               {"", header(" t1 "), "t1", gotToken},
		"no header":                   {"", Answer{Status: 200}, "", NoToken},
		"empty header":                {"", header(""), "", NoToken},
		"only spaces":                 {"", header("  "), "", NoToken},
		"line feed":                   {"", header("t1\nX-Admin: 1"), "", NoToken},
		"trailing line feed":          {inBody, body(200, `{"data": {"token": "t1\n"}}`), "", NoToken},
		"tab":                         {"", header("t\t1"), "", NoToken},
		"DEL":                         {"", header("t\x7f1"), "", NoToken},
		"NUL":                         {inBody, body(200, `{"data": {"token": "t\u00001"}}`), "", NoToken},
		"as long as allowed":          {"", header(strings.Repeat("a", 16<<10)), strings.Repeat("a", 16<<10), gotToken},
		"too long":                    {"", header(strings.Repeat("a", 16<<10+1)), "", NoToken},
		"no answer":                   {"", Answer{}, "", Unavailable},
		"other status":                {"", Answer{Status: 201, Headers: [][2]string{{"x-token", "t1"}}}, "", Refused},
		"redirect":                    {"", Answer{Status: 302}, "", Refused},
		"other header":                {`"responseHeader": "X-Auth"`, Answer{Status: 200, Headers: [][2]string{{"x-auth", "t1"}}}, "t1", gotToken},
		"prefix":                      {`"tokenPrefix": "Token "`, header("t1"), "Token t1", gotToken},
		"prefix is there already":     {`"tokenPrefix": "Bearer "`, header("bearer t1"), "bearer t1", gotToken},
		"prefix that is no scheme":    {`"tokenPrefix": "t"`, header("t1"), "tt1", gotToken},
		"body":                        {inBody, body(200, `{"data": {"token": "t1"}}`), "t1", gotToken},
		"body, number":                {inBody, body(200, `{"data": {"token": 12345678901234567890}}`), "12345678901234567890", gotToken},
		"body, null":                  {inBody, body(200, `{"data": {"token": null}}`), "", NoToken},
		"body, boolean":               {inBody, body(200, `{"data": {"token": true}}`), "", NoToken},
		"body, object":                {inBody, body(200, `{"data": {"token": {"a": 1}}}`), "", NoToken},
		"body, list":                  {inBody, body(200, `{"data": {"token": ["t1"]}}`), "", NoToken},
		"body, missing":               {inBody, body(200, `{"data": {}}`), "", NoToken},
		"body, not JSON":              {inBody, body(200, `{"data": {"token": "t1"`), "", NoToken},
		"body, HTML":                  {inBody, body(200, `<html>`), "", NoToken},
		"body, empty":                 {inBody, body(200, ``), "", NoToken},
		"body too large":              {inBody, body(200, strings.Repeat(" ", MaxAnswerBytes+1)), "", Refused},
		"success holds":               {`"successWhen": [{"path": "code", "equals": ["0", 1]}], ` + inBody, body(200, `{"code": 1, "data": {"token": "t1"}}`), "t1", gotToken},
		"success does not hold":       {`"successWhen": [{"path": "code", "equals": "0"}], ` + inBody, body(200, `{"code": 1, "data": {"token": "t1"}}`), "", Refused},
		"success, value missing":      {`"successWhen": [{"path": "code", "equals": ""}], ` + inBody, body(200, `{"data": {"token": "t1"}}`), "", Refused},
		"success by header":           {`"successWhen": [{"header": "X-OK", "equals": "yes"}]`, Answer{Status: 200, Headers: [][2]string{{"x-ok", "yes"}, {"x-token", "t1"}}}, "t1", gotToken},
		"success by header, does not": {`"successWhen": [{"header": "X-OK", "equals": "yes"}]`, header("t1"), "", Refused},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			config := sampleJSON
			if test.config != "" {
				config = extended(test.config)
			}
			reader := mustRead(t, config).answer
			values, failed := reader.read(&test.answer, time.Time{})
			if kindOf(failed) != test.kind {
				t.Fatalf("got %v, expected kind %d", failed, test.kind)
			}
			if test.kind == gotToken && values[0] != test.want {
				t.Errorf("token: got %q, expected %q", values[0], test.want)
			}
			if failed != nil && strings.Contains(failed.Reason, "t1") {
				t.Errorf("the reason for the log holds the token: %v", failed)
			}
		})
	}
}

func TestUpstreamHeaders(t *testing.T) {
	reader := mustRead(t, extended(`"upstreamHeaders": {"X-User": "body:user.name", "X-Role": "header:Role", "X-List": "body:list", "X-None": "body:none", "X-Bad": "body:bad"}`)).answer
	values, failed := reader.read(&Answer{
		Status:  200,
		Headers: [][2]string{{"x-token", "t1"}, {"role", "admin"}},
		Body:    []byte(`{"user": {"name": "Ann"}, "list": ["a","b"], "bad": "a\nb"}`),
	}, time.Time{})
	if failed != nil {
		t.Fatal(failed.Reason)
	}
	want := map[string]string{"X-User": "Ann", "X-Role": "admin", "X-List": `["a","b"]`, "X-None": "", "X-Bad": ""}
	for i, name := range names(reader.upstream) {
		if values[i+1] != want[name] {
			t.Errorf("%s: got %q, expected %q", name, values[i+1], want[name])
		}
	}
}

func TestOAuth2Answers(t *testing.T) {
	config := `{"serviceName": "idp.dns", "requestPath": "/token", "oauth2": {"clientId": "id", "clientSecret": "s3cr3t"}}`
	tests := map[string]struct {
		status int
		body   string
		want   string
		kind   Kind
		reason string
	}{
		"bearer":           {200, `{"access_token": "t1", "token_type": "bearer"}`, "Bearer t1", gotToken, ""},
		"created":          {201, `{"access_token": "t1", "token_type": "Bearer"}`, "Bearer t1", gotToken, ""},
		"no type":          {200, `{"access_token": "t1"}`, "Bearer t1", gotToken, ""},
		"N_A":              {200, `{"access_token": "t1", "token_type": "N_A"}`, "Bearer t1", gotToken, ""},
		"DPoP":             {200, `{"access_token": "t1", "token_type": "dpop"}`, "DPoP t1", gotToken, ""},
		"scheme in token":  {200, `{"access_token": "Bearer t1", "token_type": "Bearer"}`, "Bearer t1", gotToken, ""},
		"error in a 200":   {200, `{"error": "invalid_scope"}`, "", NoToken, "answered 200 without a usable token (invalid_scope)"},
		"not JSON":         {200, `access_token=t1`, "", NoToken, "answered 200 without a usable token"},
		"invalid client":   {401, `{"error": "invalid_client", "error_description": "secret s3cr3t is wrong"}`, "", Refused, "answered 401 (invalid_client)"},
		"odd error code":   {400, `{"error": "s3cr3t!"}`, "", Refused, "answered 400"},
		"error not a text": {400, `{"error": {"code": 1}}`, "", Refused, "answered 400"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			reader := mustRead(t, config).answer
			values, failed := reader.read(&Answer{Status: test.status, Body: []byte(test.body)}, time.Time{})
			if kindOf(failed) != test.kind || failed != nil && failed.Reason != test.reason {
				t.Fatalf("got %v, expected %v %q", failed, test.kind, test.reason)
			}
			if test.kind == gotToken && values[0] != test.want {
				t.Errorf("token: got %q, expected %q", values[0], test.want)
			}
		})
	}
}

func TestLifetime(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	header := func(pairs ...string) (headers [][2]string) {
		for i := 0; i < len(pairs); i += 2 {
			headers = append(headers, [2]string{pairs[i], pairs[i+1]})
		}
		return headers
	}
	const year10 = schema.MaxSeconds * time.Second
	tests := map[string]struct {
		headers [][2]string
		body    string
		token   string
		maxTTL  time.Duration
		oauth2  bool
		want    time.Duration
		noStore bool
	}{
		"nothing said":                          {want: 300 * time.Second},
		"number":                                {body: `{"expires_in": 60}`, want: 60 * time.Second},
		"fraction":                              {body: `{"expires_in": 1.5}`, want: 1500 * time.Millisecond},
		"numeric string":                        {body: `{"expires_in": "60"}`, want: 60 * time.Second},
		"zero":                                  {body: `{"expires_in": 0}`, want: 0},
		"negative":                              {body: `{"expires_in": -5}`, want: 0},
		"absurd":                                {body: `{"expires_in": 1e18}`, want: year10},
		"beyond a float":                        {body: `{"expires_in": 1e999}`, want: year10},
		"null":                                  {body: `{"expires_in": null}`, want: 300 * time.Second},
		"word":                                  {body: `{"expires_in": "soon"}`, want: 300 * time.Second},
		"NaN":                                   {body: `{"expires_in": "NaN"}`, want: 300 * time.Second},
		"boolean":                               {body: `{"expires_in": true}`, want: 300 * time.Second},
		"before Cache-Control":                  {headers: header("cache-control", "no-store"), body: `{"expires_in": 60}`, want: 60 * time.Second},
		"max-age":                               {headers: header("cache-control", "private, max-age=20"), want: 20 * time.Second},
		"max-age in capitals":                   {headers: header("cache-control", "Max-Age=20"), want: 20 * time.Second},
		"max-age in quotes":                     {headers: header("cache-control", `max-age="20"`), want: 20 * time.Second},
		"max-age and Age":                       {headers: header("cache-control", "max-age=20", "age", "5"), want: 15 * time.Second},
		"max-age used up":                       {headers: header("cache-control", "max-age=20", "age", "25"), want: 0},
		"absurd max-age":                        {headers: header("cache-control", "max-age=99999999999999999"), want: year10},
		"no-store":                              {headers: header("cache-control", "no-store"), want: 0, noStore: true},
		"no-store beats max-age":                {headers: header("cache-control", "max-age=20", "cache-control", "no-store"), want: 0, noStore: true},
		"no-cache":                              {headers: header("cache-control", "no-cache"), want: 0, noStore: true},
		"other directive":                       {headers: header("cache-control", "private"), want: 300 * time.Second},
		"bad max-age":                           {headers: header("cache-control", "max-age=x"), want: 300 * time.Second},
		"Expires":                               {headers: header("expires", "Mon, 23 Nov 2026 12:00:40 GMT"), want: 40 * time.Second},
		"Expires and Date":                      {headers: header("expires", "Mon, 23 Nov 2026 13:00:40 GMT", "date", "Mon, 23 Nov 2026 13:00:00 GMT"), want: 40 * time.Second},
		"Expires in the past":                   {headers: header("expires", "Mon, 23 Nov 2026 11:00:00 GMT"), want: 0},
		"Expires 0":                             {headers: header("expires", "0"), want: 0},
		"max-age beats Expires":                 {headers: header("expires", "0", "cache-control", "max-age=7"), want: 7 * time.Second},
		"JWT":                                   {token: "Bearer " + jwt(`{"exp": 1795435220}`), want: 20 * time.Second},
		"JWT expired":                           {token: jwt(`{"exp": 1795435100}`), want: 0},
		"JWT without exp":                       {token: jwt(`{"sub": "a"}`), want: 300 * time.Second},
		"JWT with a text as exp":                {token: jwt(`{"exp": "1795435220"}`), want: 300 * time.Second},
		"not a JWT":                             {token: "a.b.c", want: 300 * time.Second},
		"Expires before JWT":                    {headers: header("expires", "Mon, 23 Nov 2026 12:00:10 GMT"), token: jwt(`{"exp": 1795435220}`), want: 10 * time.Second},
		"Expires beyond JWT":                    {headers: header("expires", "Mon, 23 Nov 2026 12:00:40 GMT"), token: jwt(`{"exp": 1795435220}`), want: 20 * time.Second},
		"expires_in beyond JWT":                 {body: `{"expires_in": 3600000}`, token: jwt(`{"exp": 1795435220}`), want: 20 * time.Second},
		"ttl is not beside JWT":                 {token: jwt(`{"exp": 1795438800}`), want: time.Hour},
		"deep JWT":                              {token: "a." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp": 1795435220, "a": `+strings.Repeat("[", 64)+strings.Repeat("]", 64)+"}")) + ".c", want: 300 * time.Second},
		"Expires, RFC 850":                      {headers: header("expires", "Monday, 23-Nov-26 12:00:40 GMT"), want: 40 * time.Second},
		"Expires, RFC 850, of the next century": {headers: header("expires", "Monday, 23-Nov-71 12:00:00 GMT"), want: year10},
		"Expires, RFC 850, too far ahead":       {headers: header("expires", "Tuesday, 23-Nov-77 12:00:00 GMT"), want: 0},
		"Expires, asctime":                      {headers: header("expires", "Mon Nov 23 12:00:40 2026"), want: 40 * time.Second},
		"OAuth with no-store":                   {headers: header("cache-control", "no-store", "expires", "0"), oauth2: true, want: 300 * time.Second},
		"OAuth with expires_in":                 {headers: header("cache-control", "no-store"), body: `{"expires_in": 60}`, oauth2: true, want: 60 * time.Second},
		"capped":                                {body: `{"expires_in": 60}`, maxTTL: 10 * time.Second, want: 10 * time.Second},
		"cap above":                             {body: `{"expires_in": 60}`, maxTTL: 100 * time.Second, want: 60 * time.Second},
		"cap on the configured ttl":             {maxTTL: 10 * time.Second, want: 10 * time.Second},
	}
	if got := time.Unix(1795435200, 0).UTC(); !got.Equal(now) {
		t.Fatalf("the test's own clock: got %s, expected %s", got, now)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			policy := lifetimes{ttl: 300 * time.Second, maxTTL: test.maxTTL, expiresInPath: "expires_in", heedsCacheControl: !test.oauth2}
			got, noStore := policy.of(&Answer{Status: 200, Headers: test.headers, Body: []byte(test.body)}, test.token, now)
			if got != test.want || noStore != test.noStore {
				t.Errorf("got %s and no-store %v, expected %s and %v", got, noStore, test.want, test.noStore)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"7":                              7 * time.Second,
		"Mon, 23 Nov 2026 12:00:40 GMT":  40 * time.Second,
		"Monday, 23-Nov-26 12:00:40 GMT": 40 * time.Second,
		"Mon Nov 23 12:00:40 2026":       40 * time.Second,
		"Mon, 23 Nov 2026 11:00:00 GMT":  0,
		"-7":                             0,
		"soon":                           0,
		"":                               0,
	} {
		if got := retryAfter(&Answer{Headers: [][2]string{{"retry-after", value}}}, now); got != want {
			t.Errorf("%q: got %s, expected %s", value, got, want)
		}
	}
}
