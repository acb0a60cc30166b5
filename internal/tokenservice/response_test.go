package tokenservice

import (
	"strings"
	"testing"
	"time"

	"token-fetch/internal/token"
)

// gotToken is no reason for having none.
const gotToken token.Reason = 0

func reasonIn(e *token.Error) token.Reason {
	if e == nil {
		return gotToken
	}
	return e.Reason
}

func TestReadAnswer(t *testing.T) {
	header := func(value string) Response { return Response{Status: 200, Headers: [][2]string{{"x-token", value}}} }
	body := func(status int, text string) Response { return Response{Status: status, Body: []byte(text)} }
	of := func(contentType, text string) Response {
		return Response{Status: 200, Headers: [][2]string{{"content-type", contentType}}, Body: []byte(text)}
	}
	const form = "application/x-www-form-urlencoded"
	coded := func(coding, text string) Response {
		return Response{Status: 200, Headers: [][2]string{{"content-encoding", coding}}, Body: []byte(text)}
	}
	inBody, wholeBody := `"tokenPath": "data.token"`, `"tokenIn": "body"`
	tests := map[string]struct {
		config string
		answer Response
		want   string // the token header's value
		kind   token.Reason
	}{
		"header":                      {"", header("t1"), "t1", gotToken},
		"first of two headers":        {"", Response{Status: 200, Headers: [][2]string{{"x-token", "t1"}, {"x-token", "t2"}}}, "t1", gotToken},
		"line feed":                   {"", header("t1\nX-Admin: 1"), "", token.NoToken},
		"tab":                         {"", header("t\t1"), "", token.NoToken},
		"DEL":                         {"", header("t\x7f1"), "", token.NoToken},
		"as long as allowed":          {"", header(strings.Repeat("a", 16<<10)), strings.Repeat("a", 16<<10), gotToken},
		"no answer":                   {"", Response{}, "", token.NoAnswer},
		"other status":                {"", Response{Status: 201, Headers: [][2]string{{"x-token", "t1"}}}, "", token.BadAnswer},
		"redirect":                    {"", Response{Status: 302}, "", token.OtherStatus},
		"other header":                {`"responseHeader": "X-Auth"`, Response{Status: 200, Headers: [][2]string{{"x-auth", "t1"}}}, "t1", gotToken},
		"prefix":                      {`"tokenPrefix": "Token "`, header("t1"), "Token t1", gotToken},
		"prefix is there already":     {`"tokenPrefix": "Bearer "`, header("bearer t1"), "bearer t1", gotToken},
		"prefix that is no scheme":    {`"tokenPrefix": "t"`, header("t1"), "tt1", gotToken},
		"a password":                  {`"basicAuth": true, "tokenPrefix": "x-access-token:"`, header("t1"), "Basic eC1hY2Nlc3MtdG9rZW46dDE=", gotToken},
		"a user without a password":   {`"basicAuth": true, "tokenSuffix": ":"`, header("t1"), "Basic dDE6", gotToken},
		"user and password":           {`"basicAuth": true`, header("a:t1"), "Basic YTp0MQ==", gotToken},
		"a password alone":            {`"basicAuth": true`, header("t1"), "", token.NoToken},
		"no scheme in a password":     {`"basicAuth": true, "tokenPrefix": "a: "`, header("a: t1"), "Basic YTogYTogdDE=", gotToken},
		"created":                     {`"successStatus": [201, 202]`, Response{Status: 201, Headers: [][2]string{{"x-token", "t1"}}}, "t1", gotToken},
		"suffix":                      {`"tokenPrefix": "Snowflake Token=\"", "tokenSuffix": "\""`, header("t1"), `Snowflake Token="t1"`, gotToken},
		"suffix after a scheme":       {`"tokenPrefix": "Bearer ", "tokenSuffix": ";v=1"`, header("Bearer t1"), "Bearer t1;v=1", gotToken},
		"json by name":                {`"tokenIn": "json", "tokenPath": "t"`, body(200, `{"t": "t1"}`), "t1", gotToken},
		"header before a path":        {`"tokenIn": "header", "tokenPath": "t"`, header("t1"), "t1", gotToken},
		"byte order mark":             {inBody, body(200, "\xef\xbb\xbf"+`{"data": {"token": "t1"}}`), "t1", gotToken},
		"whole body":                  {wholeBody, body(200, "t1"), "t1", gotToken},
		"whole body, byte order mark": {wholeBody, body(200, "\xef\xbb\xbft1\n"), "t1", gotToken},
		"whole body, prefix":          {wholeBody + `, "tokenPrefix": "Bearer "`, body(200, "t1\n"), "Bearer t1", gotToken},
		"JSON text as a body":         {wholeBody, of("application/json", " \"t\\u0031\"\n"), "t1", gotToken},
		"JSON text, blanks inside":    {wholeBody, of("text/plain", `"\r\n t1\n"`), "t1", gotToken},
		"JSON text, empty":            {wholeBody, of("application/json", `""`), "", token.NoToken},
		"one quote":                   {wholeBody, of("text/plain", `"t1`), `"t1`, gotToken},
		"quotes around no JSON":       {wholeBody, of("text/plain", `"t1" "`), `"t1" "`, gotToken},
		"form":                        {`"tokenPath": "access_token"`, of(form, "access_token=t1&scope=a%2Cb&token_type=bearer\n"), "t1", gotToken},
		"form, its charset":           {`"tokenPath": "access_token"`, of("Application/X-WWW-Form-URLEncoded ; charset=utf-8", "a=b&access_token=t%2b1%3D"), "t+1=", gotToken},
		"form, the first of two":      {`"tokenPath": "access_token"`, of(form, "access_token=t1&access_token=t2"), "t1", gotToken},
		"form, successWhen":           {`"tokenPath": "t", "successWhen": [{"path": "ok", "equals": "1"}]`, of(form, "t=t1&ok=0"), "", token.BadAnswer},
		"form of another type":        {`"tokenPath": "access_token"`, of("text/plain", "access_token=t1"), "", token.NoToken},
		"JSON in spite of its type":   {`"tokenPath": "t"`, of(form, `{"t": "t1"}`), "t1", gotToken},
		"the longest form":            {`"tokenPath": "t"`, of(form, "t=t1&pad="+strings.Repeat("x", 64<<10-9)), "t1", gotToken},
		"a longer form":               {`"tokenPath": "t"`, of(form, "t=t1&pad="+strings.Repeat("x", 64<<10-8)), "", token.NoToken},
		"a broken form":               {`"tokenPath": "t"`, of(form, "t=%zz"), "", token.NoToken},
		"form, a line end":            {`"tokenPath": "t"`, of(form, "t=t1%0d%0aX-Admin:1"), "", token.NoToken},
		"form, as long as is read":    {`"tokenPath": "t"`, of(form, "t=t1&a="+strings.Repeat("a", 64<<10-7)), "t1", gotToken},
		"form, longer":                {`"tokenPath": "t"`, of(form, "t=t1&a="+strings.Repeat("a", 64<<10-6)), "", token.NoToken},
		"form as a whole body":        {wholeBody + `, "cache": {"expiresInPath": "b"}`, of(form, "a=b"), "a=b", gotToken},
		"coding none":                 {inBody, coded("none", `{"data": {"token": "t1"}}`), "t1", gotToken},
		"a charset as coding":         {inBody, coded("UTF8", `{"data": {"token": "t1"}}`), "t1", gotToken},
		"gzip":                        {inBody, coded("gzip", `{"data": {"token": "t1"}}`), "", token.BadAnswer},
		"br, of a whole body":         {wholeBody, coded("BR", "t1"), "", token.BadAnswer},
		"gzip, then something":        {inBody, coded("identity, gzip", `{"data": {"token": "t1"}}`), "", token.BadAnswer},
		"identity":                    {inBody, coded("Identity", `{"data": {"token": "t1"}}`), "t1", gotToken},
		"gzip, token in a header":     {"", Response{Status: 200, Headers: [][2]string{{"x-token", "t1"}, {"content-encoding", "gzip"}}}, "t1", gotToken},
		"gzip with expiresInPath":     {`"cache": {"expiresInPath": "ttl"}`, Response{Status: 200, Headers: [][2]string{{"x-token", "t1"}, {"content-encoding", "gzip"}}}, "", token.BadAnswer},
		"base64, not asked for":       {wholeBody, coded("base64", "dDE="), "", token.BadAnswer},
		"base64, asked for":           {wholeBody + `, "requestHeaders": {"Accept-Encoding": "base64"}`, coded("base64", "dDE="), "dDE=", gotToken},
		"body":                        {inBody, body(200, `{"data": {"token": "t1"}}`), "t1", gotToken},
		"body too large":              {inBody, body(200, strings.Repeat(" ", MaxResponseBytes+1)), "", token.BadAnswer},
		"success holds":               {`"successWhen": [{"path": "code", "equals": ["0", 1]}], ` + inBody, body(200, `{"code": 1, "data": {"token": "t1"}}`), "t1", gotToken},
		"success does not hold":       {`"successWhen": [{"path": "code", "equals": "0"}], ` + inBody, body(200, `{"code": 1, "data": {"token": "t1"}}`), "", token.BadAnswer},
		"success, value missing":      {`"successWhen": [{"path": "code", "equals": ""}], ` + inBody, body(200, `{"data": {"token": "t1"}}`), "", token.BadAnswer},
		"success by header":           {`"successWhen": [{"header": "X-OK", "equals": "yes"}]`, Response{Status: 200, Headers: [][2]string{{"x-ok", "yes"}, {"x-token", "t1"}}}, "t1", gotToken},
		"success by header, does not": {`"successWhen": [{"header": "X-OK", "equals": "yes"}]`, header("t1"), "", token.BadAnswer},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			config := sampleJSON
			if test.config != "" {
				config = extended(test.config)
			}
			reader := mustRead(t, config).response
			values, failed := reader.read(&test.answer, time.Time{})
			if reasonIn(failed) != test.kind {
				t.Fatalf("got %v, expected reason %q", failed, test.kind)
			}
			if test.kind == gotToken && values[0] != test.want {
				t.Errorf("token: got %q, expected %q", values[0], test.want)
			}
			if failed != nil && strings.Contains(failed.Detail, "t1") {
				t.Errorf("the reason for the log holds the token: %v", failed)
			}
		})
	}
}

// The log says what is there instead of a token, and nothing of its value.
func TestWhatIsThereInsteadOfAToken(t *testing.T) {
	const (
		inBody    = `"tokenPath": "data.token"`
		wholeBody = `"tokenIn": "body"`
		inCookie  = `"tokenIn": "cookie", "tokenCookie": "sid"`
	)
	long := strings.Repeat("s3cr3t", 4000)
	of := func(contentType, text string) Response {
		return Response{Status: 200, Headers: [][2]string{{"content-type", contentType}}, Body: []byte(text)}
	}
	body := func(status int, text string) Response { return Response{Status: status, Body: []byte(text)} }
	header := func(name, value string) Response { return Response{Status: 200, Headers: [][2]string{{name, value}}} }
	for name, test := range map[string]struct {
		config string
		answer Response
		want   string
	}{
		"a page":              {inBody, body(200, " <!DOCTYPE html><p>s3cr3t"), "the body is HTML, not JSON"},
		"XML":                 {inBody, body(200, `<?xml version="1.0"?><token>s3cr3t</token>`), "the body is XML, not JSON"},
		"XML by its type":     {inBody, Response{Status: 200, Headers: [][2]string{{"content-type", "Application/SOAP+xml; charset=utf-8"}}, Body: []byte("<token>s3cr3t</token>")}, "the body is XML, not JSON"},
		"XHTML":               {inBody, Response{Status: 200, Headers: [][2]string{{"content-type", "application/xhtml+xml"}}, Body: []byte("<html>s3cr3t</html>")}, "the body is HTML, not JSON"},
		"a page in XHTML":     {inBody, of("application/xhtml+xml", `<?xml version="1.0"?><!DOCTYPE html><p>s3cr3t`), "the body is HTML, not JSON"},
		"XML as the token":    {wholeBody, of("text/xml", "<string>s3cr3t</string>"), "the body is XML"},
		"a form without it":   {`"tokenPath": "access_token"`, of("application/x-www-form-urlencoded", "message=s3cr3t"), `there is nothing at "access_token"`},
		"another text":        {inBody, body(200, "s3cr3t"), "the body is not JSON"},
		"half of it":          {inBody, body(200, `{"data": {"token": "s3cr3t"`), "the body is not JSON"},
		"nothing":             {inBody, body(200, "\n"), "the body is empty"},
		"another path":        {inBody, body(200, `{"token": "s3cr3t"}`), `there is nothing at "data.token"`},
		"null":                {inBody, body(200, `{"data": {"token": null}}`), `there is null at "data.token"`},
		"an object":           {inBody, body(200, `{"data": {"token": {"s3cr3t": 1}}}`), `there is an object at "data.token"`},
		"a list":              {inBody, body(200, `{"data": {"token": ["s3cr3t"]}}`), `there is a list at "data.token"`},
		"a boolean":           {inBody, body(200, `{"data": {"token": true}}`), `there is true or false at "data.token"`},
		"an exponent":         {inBody, body(200, `{"data": {"token": 1e400}}`), `there is a number with an exponent at "data.token"`},
		"an empty text":       {inBody, body(200, `{"data": {"token": " "}}`), `it is empty at "data.token"`},
		"a line end":          {inBody, body(200, `{"data": {"token": "s3cr3t\n"}}`), `it has characters at "data.token" that no header can carry`},
		"too long":            {inBody, body(200, `{"data": {"token": "`+long+`"}}`), `it has 24000 bytes at "data.token", and 16384 are allowed`},
		"no header":           {"", header("x-other", "s3cr3t"), "there is no header x-token"},
		"an empty header":     {"", header("x-token", " "), "it is empty in the header x-token"},
		"a long header":       {"", header("x-token", long), "it has 24000 bytes in the header x-token, and 16384 are allowed"},
		"no cookie":           {inCookie, header("set-cookie", "s3cr3t=s3cr3t"), "there is no cookie sid, or it is empty or expired"},
		"a page as the token": {wholeBody, body(200, "<p>s3cr3t"), "the body is HTML"},
		"no user":             {`"basicAuth": true`, header("x-token", "s3cr3t"), "it has no colon in the header x-token between user and password (put it in tokenPrefix or tokenSuffix)"},
		"no body":             {wholeBody, body(200, ""), "it is empty in the body"},
		"two lines":           {wholeBody, body(200, "s3cr3t\ns3cr3t"), "it has characters in the body that no header can carry"},
	} {
		config := sampleJSON
		if test.config != "" {
			config = extended(test.config)
		}
		reader := mustRead(t, config).response
		_, failed := reader.read(&test.answer, fuzzNow)
		if want := "answered 200 without a usable token: " + test.want; failed == nil || failed.Detail != want || failed.Reason != token.NoToken {
			t.Errorf("%s: got %v, expected %q", name, failed, want)
		}
	}
}

// Which JSON values are sent as a header, and as what text: of a number only what is written.
func TestJSONValuesAsHeaders(t *testing.T) {
	const none = ""
	tests := map[string]struct{ value, asToken, asHeader string }{
		"text":                 {`"t1"`, "t1", "t1"},
		"text with blanks":     {`" t1 "`, "t1", "t1"},
		"empty text":           {`""`, none, none},
		"integer":              {`12`, "12", "12"},
		"beyond 64 bits":       {`123456789012345678901234567890`, "123456789012345678901234567890", "123456789012345678901234567890"},
		"decimal with a zero":  {`1.50`, "1.50", "1.50"},
		"infinite":             {`1e400`, none, none},
		"exponent":             {`1e5`, none, none},
		"exponent in capitals": {`1.5E3`, none, none},
		"too long":             {strings.Repeat("1", maxTokenBytes+1), none, none},
		"true":                 {`true`, none, "true"},
		"false":                {`false`, none, "false"},
		"null":                 {`null`, none, none},
		"object":               {`{"a": 1}`, none, `{"a": 1}`},
		"list":                 {`["a", 1]`, none, `["a", 1]`},
		"list of lines":        {"[\n1]", none, none},
	}
	for name, test := range tests {
		answer := Response{Status: 200, Body: []byte(`{"v": ` + test.value + `, "ok": "t0"}`)}
		values, failed := mustRead(t, extended(`"tokenPath": "v"`)).response.read(&answer, now)
		if asToken := append(values, none)[0]; asToken != test.asToken || (failed != nil) != (test.asToken == none) {
			t.Errorf("%s as a token: got %.40q and %v, expected %.40q", name, asToken, failed, test.asToken)
		}
		values, failed = mustRead(t, extended(`"tokenPath": "ok", "upstreamHeaders": {"X-V": "body:v"}`)).response.read(&answer, now)
		if failed != nil || values[1] != test.asHeader {
			t.Errorf("%s in upstreamHeaders: got %.40q and %v, expected %.40q", name, values, failed, test.asHeader)
		}
	}
}

// What an answer with a coding says, where the token is in its body.
func TestCodedAnswersSaySo(t *testing.T) {
	for coding, want := range map[string]string{
		"gzip":                  "answered 200 with Content-Encoding gzip, which is not supported (the call asks for identity unless requestHeaders say otherwise)",
		"s3cr3t\tand more":      "answered 200 with Content-Encoding of another kind, which is not supported (the call asks for identity unless requestHeaders say otherwise)",
		strings.Repeat("g", 21): "answered 200 with Content-Encoding of another kind, which is not supported (the call asks for identity unless requestHeaders say otherwise)",
	} {
		service := mustRead(t, extended(`"tokenPath": "t", "successWhen": [{"path": "ok", "equals": "1"}]`))
		_, failed := service.Grant(&Response{Status: 200, Headers: [][2]string{{"content-encoding", coding}}, Body: []byte("\x1f\x8b")}, nil, now)
		if failed == nil || *failed != (token.Error{Reason: token.BadAnswer, Detail: want}) {
			t.Errorf("got %+v, expected %q", failed, want)
		}
	}
}

func TestUpstreamHeaders(t *testing.T) {
	reader := mustRead(t, extended(`"upstreamHeaders": {"X-User": "body:user.name", "X-Role": "header:Role", "X-List": "body:list", "X-None": "body:none", "X-Bad": "body:bad"}`)).response
	values, failed := reader.read(&Response{
		Status:  200,
		Headers: [][2]string{{"x-token", "t1"}, {"role", "admin"}},
		Body:    []byte(`{"user": {"name": "Ann"}, "list": ["a","b"], "bad": "a\nb"}`),
	}, time.Time{})
	if failed != nil {
		t.Fatal(failed.Detail)
	}
	want := map[string]string{"X-User": "Ann", "X-Role": "admin", "X-List": `["a","b"]`, "X-None": "", "X-Bad": ""}
	for i, name := range names(reader.upstream) {
		if values[i+1] != want[name] {
			t.Errorf("%s: got %q, expected %q", name, values[i+1], want[name])
		}
	}
}

const notBearer = "with a token whose token_type is not Bearer (set tokenPrefix to what to put before it)"

func TestOAuth2Answers(t *testing.T) {
	config := `{"serviceName": "idp.dns", "requestPath": "/token", "oauth2": {"clientId": "id", "clientSecret": "s3cr3t"}}`
	tests := map[string]struct {
		status int
		body   string
		want   string
		kind   token.Reason
		reason string
	}{
		"bearer":          {200, `{"access_token": "t1", "token_type": "bearer"}`, "Bearer t1", gotToken, ""},
		"created":         {201, `{"access_token": "t1", "token_type": "Bearer"}`, "Bearer t1", gotToken, ""},
		"no type":         {200, `{"access_token": "t1"}`, "Bearer t1", gotToken, ""},
		"N_A":             {200, `{"access_token": "t1", "token_type": "N_A"}`, "Bearer t1", gotToken, ""},
		"type is null":    {200, `{"access_token": "t1", "token_type": null}`, "Bearer t1", gotToken, ""},
		"DPoP":            {200, `{"access_token": "t1", "token_type": "DPoP"}`, "", token.NoToken, "answered 200 " + notBearer},
		"Apigee's type":   {200, `{"access_token": "t1", "token_type": "BearerToken"}`, "Bearer t1", gotToken, ""},
		"n_a":             {200, `{"access_token": "t1", "token_type": "n_a"}`, "", token.NoToken, "answered 200 " + notBearer},
		"unknown type":    {200, `{"access_token": "t1", "token_type": "s3cr3t\r\n"}`, "", token.NoToken, "answered 200 " + notBearer},
		"empty type":      {200, `{"access_token": "t1", "token_type": ""}`, "Bearer t1", gotToken, ""},
		"type no text":    {200, `{"access_token": "t1", "token_type": ["Bearer"]}`, "", token.NoToken, "answered 200 " + notBearer},
		"scheme in token": {200, `{"access_token": "Bearer t1", "token_type": "Bearer"}`, "Bearer t1", gotToken, ""},
		"error in a 200":  {200, `{"error": "invalid_scope"}`, "", token.NoToken, `answered 200 without a usable token (invalid_scope): there is nothing at "access_token"`},
		"invalid client":  {401, `{"error": "invalid_client", "error_description": "secret s3cr3t is wrong"}`, "", token.OtherStatus, "answered 401 (invalid_client)"},
		"odd error code":  {400, `{"error": "s3cr3t!"}`, "", token.OtherStatus, "answered 400"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			reader := mustRead(t, config).response
			values, failed := reader.read(&Response{Status: test.status, Body: []byte(test.body)}, time.Time{})
			if reasonIn(failed) != test.kind || failed != nil && failed.Detail != test.reason {
				t.Fatalf("got %v, expected %v %q", failed, test.kind, test.reason)
			}
			if test.kind == gotToken && values[0] != test.want {
				t.Errorf("token: got %q, expected %q", values[0], test.want)
			}
		})
	}
}

// What is configured goes before what an authorization server usually answers: a prefix of one's own says what to do with a
// token of another type.
func TestOAuth2AnswersAsConfigured(t *testing.T) {
	for keys, want := range map[string][2]string{ // of a token that is bearer, and of one that is DPoP
		``:                         {"Bearer t1", ""},
		`, "tokenPrefix": "DPoP "`: {"DPoP t1", "DPoP t1"},
		`, "tokenPrefix": ""`:      {"t1", "t1"},
		`, "basicAuth": true, "tokenPrefix": "oauth2:"`: {"Basic b2F1dGgyOnQx", "Basic b2F1dGgyOnQx"},
		`, "basicAuth": true, "tokenSuffix": ":"`:       {"Basic dDE6", ""},
		`, "tokenPath": "id_token"`:                     {"Bearer t3", ""},
		`, "responseHeader": "X-Auth"`:                  {"Bearer t2", ""},
	} {
		reader := mustRead(t, oauth2Config(`"clientId": "id", "clientSecret": "s"`, keys)).response
		for i, kind := range []string{"bearer", "DPoP"} {
			answer := Response{Status: 200, Headers: [][2]string{{"x-auth", "t2"}}, Body: []byte(`{"access_token": "t1", "id_token": "t3", "token_type": "` + kind + `"}`)}
			values, failed := reader.read(&answer, now)
			if got := append(values, "")[0]; got != want[i] {
				t.Errorf("%s, %s: got %q and %v, expected %q", keys, kind, got, failed, want[i])
			}
		}
	}
}

// What refusedWhen names is the caller's fault, whatever else the answer says; without a caller it means nothing.
func TestRefusals(t *testing.T) {
	body := func(status int, text string) Response { return Response{Status: status, Body: []byte(text)} }
	const inactive = `{"path": "active", "equals": "false"}`
	for name, test := range map[string]struct {
		refusedWhen string
		answer      Response
		want        token.Reason
	}{
		"a status":                    {`{"status": [401, 403]}`, Response{Status: 403}, token.SubjectRefused},
		"another status":              {`{"status": [401, 403]}`, Response{Status: 404}, token.OtherStatus},
		"a status of success":         {`{"status": [204]}`, Response{Status: 204}, token.SubjectRefused},
		"a value":                     {inactive, body(200, `{"active": false, "t": "t1"}`), token.SubjectRefused},
		"another value":               {inactive, body(200, `{"active": true, "t": "t1"}`), gotToken},
		"no value":                    {inactive, body(200, `{"t": "t1"}`), gotToken},
		"a value of a failure":        {`{"path": "error", "equals": ["bad_key", "no_key"]}`, body(400, `{"error": "no_key"}`), token.SubjectRefused},
		"a header":                    {`{"header": "X-Reason", "equals": "key"}`, Response{Status: 400, Headers: [][2]string{{"x-reason", "key"}}}, token.SubjectRefused},
		"all of an entry":             {`{"status": [400], "path": "code", "equals": 7}`, body(400, `{"code": 7}`), token.SubjectRefused},
		"half of an entry":            {`{"status": [400], "path": "code", "equals": 7}`, body(403, `{"code": 7}`), token.OtherStatus},
		"one of two entries":          {`{"status": [401]}, ` + inactive, body(200, `{"active": false}`), token.SubjectRefused},
		"nothing of an outage":        {`{"status": [401]}, ` + inactive, body(503, `{"active": true}`), token.ServerError},
		"no answer":                   {`{"status": [401]}, ` + inactive, Response{}, token.NoAnswer},
		"a value in too large a body": {inactive, body(200, `{"active": false, "a": "`+strings.Repeat("a", MaxResponseBytes)+`"}`), token.BadAnswer},
	} {
		config := `"tokenPath": "t", "refusedWhen": [` + test.refusedWhen + `]`
		reader := mustRead(t, extended(config+`, "forwardHeaders": ["X-Api-Key"]`)).Link(nil).response
		_, failed := reader.read(&test.answer, now)
		if reasonIn(failed) != test.want {
			t.Errorf("%s: got %v, expected %v", name, failed, test.want)
		}
		reader = mustRead(t, extended(config)).Link(nil).response
		if _, failed := reader.read(&test.answer, now); reasonIn(failed) == token.SubjectRefused {
			t.Errorf("%s, without a caller: got %v, expected no refusal", name, failed)
		}
	}
	if !mustRead(t, extended(`"refusedWhen": [`+inactive+`], "forwardHeaders": ["X-Api-Key"]`)).NeedsBody {
		t.Error("the body is not read, expected that refusedWhen needs it")
	}
}

// A JWT's exp counts, whatever is put around it.
func TestExpiryOfWrappedTokens(t *testing.T) {
	for _, config := range []string{``, `"tokenPrefix": "Bearer "`, `"tokenPrefix": "v1."`, `"tokenSuffix": " and more.than.that"`, `"basicAuth": true, "tokenPrefix": "a:"`} {
		config := strings.TrimPrefix(config+`, "cache": {}`, ", ")
		answer := Response{Status: 200, Headers: [][2]string{{"x-token", jwt(`{"exp": ` + unixSeconds(now.Add(20*time.Second)) + `}`)}}}
		if grant, failed := mustRead(t, extended(config)).Grant(&answer, nil, now); failed != nil || grant.Lifetime != 20*time.Second {
			t.Errorf("%s: got %v of %s, %v; expected 20s", config, grant.LifetimeFrom, grant.Lifetime, failed)
		}
	}
}
