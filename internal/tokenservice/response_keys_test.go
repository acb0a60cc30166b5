package tokenservice

import (
	"strings"
	"testing"
)

func TestAnswerKeysErrors(t *testing.T) {
	const (
		wantPath      = `a path into the JSON answer, for example data.token`
		wantCookie    = "names of cookies: letters, digits and -_.!#$%&'*+^`|~"
		wantCondition = `a list of objects with header or path, and equals`
	)
	checkErrors(t, map[string]errorCase{
		"a status is not good":     {extended(`"successStatus": [200, 302]`), `invalid successStatus in config: 302 (want a list of statuses, 200 to 299)`},
		"token in":                 {extended(`"tokenIn": "query"`), `invalid tokenIn in config: "query" (want header, json, body, cookie)`},
		"token in json, no path":   {extended(`"tokenIn": "json"`), `missing tokenPath in config (tokenIn json needs it)`},
		"token in cookie, no name": {extended(`"tokenIn": "cookie"`), `missing tokenCookie in config (tokenIn cookie needs it)`},
		"cookie, empty name":       {extended(`"tokenIn": "cookie", "tokenCookie": ""`), `invalid tokenCookie in config: "" (want ` + wantCookie + `)`},
		"cookie, no name":          {extended(`"tokenIn": "cookie", "tokenCookie": ["a", "b=c"]`), `invalid tokenCookie in config: a list (want ` + wantCookie + `)`},
		"cookie without tokenIn":   {extended(`"tokenCookie": "a"`), `invalid tokenCookie in config: "a" (want "tokenIn: cookie" with it)`},
		"prefix of a cookie":       {upstreamCookies(`"tokenIn": "cookie", "tokenCookie": "a", "tokenPrefix": "b"`), `invalid tokenPrefix in config: "b" (want none where tokenHeader is Cookie, in which the token goes as NAME=value)`},
		"suffix of a cookie":       {upstreamCookies(`"tokenIn": "cookie", "tokenCookie": "a", "tokenSuffix": "b"`), `invalid tokenSuffix in config: "b" (want none where tokenHeader is Cookie, in which the token goes as NAME=value)`},
		"a second scheme":          {extended(`"basicAuth": true, "tokenPrefix": "basic user:"`), `invalid tokenPrefix in config: "basic user:" (want it without Basic, which basicAuth adds)`},
		"password of a cookie":     {upstreamCookies(`"tokenIn": "cookie", "tokenCookie": "a", "basicAuth": true`), `invalid basicAuth in config: true (want false where tokenHeader is Cookie)`},
		"signed, no user":          {`{"jwt": {"secret": "` + sharedSecret + `"}, "basicAuth": true}`, `invalid basicAuth in config: true (want false, or in tokenPrefix or tokenSuffix the colon between user and password)`},
		"suffix, control":          {extended(`"tokenSuffix": "a\n"`), `invalid tokenSuffix in config: "a�" (want a header value: no control characters)`},
		"token path is blank":      {extended(`"tokenPath": " "`), `invalid tokenPath in config: " " (want ` + wantPath + `)`},
		"response header":          {extended(`"responseHeader": "X Token"`), `invalid responseHeader in config: "X Token" (want the name of a response header)`},
		"prefix":                   {extended(`"tokenPrefix": "Bearer\n"`), `invalid tokenPrefix in config: "Bearer�" (want ` + headerValue + `)`},
		"upstream header":          {extended(`"upstreamHeaders": {"X-User": "user"}`), `invalid upstreamHeaders.X-User in config: "user" (want header:NAME or body:PATH)`},
		"upstream header, nothing": {extended(`"upstreamHeaders": {"X-User": "body:"}`), `invalid upstreamHeaders.X-User in config: "body:" (want header:NAME or body:PATH)`},
		"upstream header, name":    {extended(`"upstreamHeaders": {"X-User": "header:a b"}`), `invalid upstreamHeaders.X-User in config: "header:a b" (want header:NAME or body:PATH)`},
		"upstream header is token": {extended(`"upstreamHeaders": {"x-token": "header:a"}`), `invalid upstreamHeaders.x-token in config: that is the tokenHeader`},
		"upstream pseudo-header":   {extended(`"upstreamHeaders": {":path": "header:a"}`), `invalid upstreamHeaders.:path in config (want ` + settable + `)`},
		"condition type":           {extended(`"successWhen": {"path": "a"}`), `invalid successWhen in config: an object (want ` + wantCondition + `)`},
		"condition, no object":     {extended(`"successWhen": ["s3cr3t"]`), `invalid successWhen[0] in config (want ` + wantCondition + `)`},
		"an empty condition":       {extended(`"successWhen": [{}]`), `invalid successWhen[0] in config (want one of header and path)`},
		"condition without equals": {extended(`"successWhen": [{"path": "a"}]`), `missing successWhen[0].equals in config`},
		"condition with both":      {extended(`"successWhen": [{"path": "a", "header": "b", "equals": "1"}]`), `invalid successWhen[0] in config (want one of header and path)`},
		"condition, blank path":    {extended(`"successWhen": [{"path": " ", "equals": "1"}]`), `invalid successWhen[0].path in config: " " (want ` + wantPath + `)`},
		"condition, object":        {extended(`"successWhen": [{"path": "a", "equals": {}}]`), `invalid successWhen[0].equals in config: an object (want a string or a list of strings)`},
		"an empty refusal":         {extended(`"refusedWhen": [{}]`), `invalid refusedWhen[0] in config (want a list of objects with status, header and equals, or path and equals)`},
		"refusal, unavailable":     {extended(`"refusedWhen": [{"status": [503]}]`), `invalid refusedWhen[0].status in config: 503 (want a list of statuses, 200 to 499)`},
		"refusal without equals":   {extended(`"refusedWhen": [{"path": "a"}]`), `missing refusedWhen[0].equals in config`},
		"refusal, equals alone":    {extended(`"refusedWhen": [{"status": [401], "equals": "1"}]`), `invalid refusedWhen[0].equals in config: "1" (want it with header or path)`},
		"refusal with both":        {extended(`"refusedWhen": [{"path": "a", "header": "b", "equals": "1"}]`), `invalid refusedWhen[0] in config (want one of header and path)`},
		"condition, null in list":  {extended(`"successWhen": [{"path": "a", "equals": ["1", null]}]`), `invalid successWhen[0].equals in config: null (want a string or a list of strings)`},
	})
}

// A token that would go upstream in Authorization without a scheme is probably not meant so.
func TestWarningOfMissingScheme(t *testing.T) {
	for config, want := range map[string]bool{
		`"tokenHeader": "authorization", "tokenPath": "t"`:                        true,
		`"tokenHeader": "Authorization", "tokenIn": "body"`:                       true,
		`"tokenHeader": "Authorization", "tokenPath": "t", "tokenPrefix": ""`:     false,
		`"tokenHeader": "Authorization", "tokenPath": "t", "tokenPrefix": "JWT "`: false,
		`"tokenHeader": "Authorization", "tokenPath": "t", "basicAuth": true`:     false,
		`"tokenHeader": "Authorization"`:                                          false, // a header may have its scheme
		`"tokenHeader": "X-Token", "tokenPath": "t"`:                              false,
		`"oauth2": {"clientId": "a", "clientSecret": "b"}`:                        false,
	} {
		_, s := readReferring(`{"serviceName": "a.dns", "requestPath": "/", `+config+`}`, false)
		if got := strings.Contains(strings.Join(s.Warnings(), "\n"), "the token goes upstream without a scheme"); got != want || s.Err() != nil {
			t.Errorf("%s: got a warning %v, %v; expected %v", config, got, s.Err(), want)
		}
	}
}

func TestSuspectPathsAndBodies(t *testing.T) {
	const untyped = "requestBody is sent without a Content-Type, which many services demand (want one in requestHeaders)"
	for config, want := range map[string]string{
		extended(`"tokenPath": "$.data.token"`):                                 `tokenPath is "$.data.token": nothing may be found there (did you mean data.token?)`,
		extended(`"cache": {"expiresInPath": ".ttl"}`):                          `cache.expiresInPath is ".ttl": nothing may be found there (did you mean ttl?)`,
		extended(`"successWhen": [{"path": "/code", "equals": "0"}]`):           `successWhen[0].path is "/code": nothing may be found there (did you mean code?)`,
		extended(`"upstreamHeaders": {"X-User": "body:users[0]"}`):              `upstreamHeaders.X-User is body:users[0]: nothing may be found there (did you mean body:users.0?)`,
		extended(`"upstreamHeaders": {"X-User": "body:users.0"}`):               "",
		extended(`"requestBody": "{\"a\": \"s3cr3t\"}"`):                        untyped,
		extended(`"requestBody": "a", "requestHeaders": {"content-type": "b"}`): "",
		extended(`"requestBody": "a", "forwardHeaders": ["Content-Type"]`):      "",
		oauth2Config(`"clientId": "id", "clientSecret": "s3cr3t"`, ""):          "",
	} {
		_, s := readPart(config, true)
		if got := strings.Join(s.Warnings(), "; "); got != want || s.Err() != nil {
			t.Errorf("%s: got %q, %v; expected %q", config, got, s.Err(), want)
		}
	}
}
