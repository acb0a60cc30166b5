// Package hostile_test attacks the plugin as a token service, a client, an upstream or another plugin. Afterwards, the VM must
// be alive and the gateway must serve all other requests.
package hostile_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// nestings are JSON values that stand in an object, which makes them one deeper.
var nestings = map[string]struct {
	value  string
	isJSON bool // the object still counts as JSON
}{
	"lists, 64 deep":        {nestedLists(maxDepth-1, ""), true},
	"objects, 64 deep":      {nestedObjects(maxDepth - 1), true},
	"both, 64 deep":         {nestedBoth(maxDepth - 1), true},
	"siblings":              {`[` + strings.Repeat("[],{},", 10_000) + `1]`, true},
	"brackets in text":      {jsonText(bracketText(100_000) + `"\`), true},
	"brackets in a name":    {`{` + jsonText(bracketText(100_000)) + `:1}`, true},
	"text, then 64 deep":    {`[` + jsonText(bracketText(400)+`"\`) + `,` + nestedLists(maxDepth-2, "") + `]`, true},
	"lists, 65 deep":        {nestedLists(maxDepth, ""), false},
	"objects, 65 deep":      {nestedObjects(maxDepth), false},
	"both, 65 deep":         {nestedBoth(maxDepth), false},
	"text, then 65 deep":    {`[` + jsonText(bracketText(400)+`"\`) + `,` + nestedLists(maxDepth-1, "") + `]`, false},
	"lists, 5,500 deep":     {nestedLists(5_500, ""), false},
	"lists, 8,000 deep":     {nestedLists(8_000, ""), false},
	"objects, 8,000 deep":   {nestedObjects(8_000), false},
	"lists, 100,000 deep":   {nestedLists(100_000, ""), false},
	"objects, 100,000 deep": {nestedObjects(100_000), false},
	"8,000, never closed":   {strings.Repeat("[", 8_000), false},
	"100,000, never closed": {strings.Repeat(`{"a":[`, 50_000), false},
	"1,000,000":             {strings.Repeat("[", 1_000_000), false},
	"closed, not opened":    {strings.Repeat("]", 9_000) + strings.Repeat("[", 9_000), false},
	"escape outside text":   {`\"` + strings.Repeat("[", 9_000), false},
}

// maxClaims is about how many bytes of claims a token may have.
const maxClaims = 12_000

// hostileAnswers are the places where JSON from the token service is read. Each has the nested
// value next to the value that is read; good is what two requests get while it is valid JSON, and
// bad once it is nested too deep.
var hostileAnswers = map[string]struct {
	config    map[string]any
	answer    func(nested string) http.HandlerFunc
	maxLength int // of the nested value; 0: any
	good, bad read
}{
	"tokenPath": {
		config: harness.PlainConfig(map[string]any{"tokenPath": "token"}),
		answer: func(nested string) http.HandlerFunc { return harness.JSON(200, `{"token":"t","x":`+nested+`}`) },
		good:   read{200, "t", "", 2}, bad: read{200, "", "", 2},
	},
	"tokenPath with a query": {
		config: harness.PlainConfig(map[string]any{"tokenPath": `list.#(use=="upstream").token`}),
		answer: func(nested string) http.HandlerFunc {
			return harness.JSON(200, `{"x":`+nested+`,"list":[{"use":"upstream","token":"t"}]}`)
		},
		good: read{200, "t", "", 2}, bad: read{200, "", "", 2},
	},
	"successWhen": {
		config: harness.PlainConfig(map[string]any{"successWhen": []any{map[string]any{"path": "code", "equals": "0"}}}),
		answer: func(nested string) http.HandlerFunc {
			return harness.Both(harness.HeaderToken("X-Token", "t"), harness.JSON(200, `{"x":`+nested+`,"code":0}`))
		},
		good: read{200, "t", "", 2}, bad: read{500, "", "", 2},
	},
	"upstreamHeaders": {
		config: harness.PlainConfig(map[string]any{"upstreamHeaders": map[string]any{"X-User": "body:user"}}),
		answer: func(nested string) http.HandlerFunc {
			return harness.Both(harness.HeaderToken("X-Token", "t"), harness.JSON(200, `{"user":"u","x":`+nested+`}`))
		},
		good: read{200, "t", "u", 2}, bad: read{200, "t", "", 2},
	},
	"expiresInPath": { // zero: a token that is not kept
		config: harness.PlainConfig(map[string]any{"cache": map[string]any{"expiresInPath": "ttl"}}),
		answer: func(nested string) http.HandlerFunc {
			return harness.Both(harness.HeaderToken("X-Token", "t"), harness.JSON(200, `{"x":`+nested+`,"ttl":0}`))
		},
		good: read{200, "t", "", 2}, bad: read{200, "t", "", 1},
	},
	"oauth2": {
		config: harness.OAuth2Config("", nil, map[string]any{"tokenHeader": "X-Token", "tokenPrefix": "", "cache": map[string]any{"backoff": 30_000}}),
		answer: func(nested string) http.HandlerFunc {
			return harness.JSON(200, `{"access_token":"t","expires_in":3600,"x":`+nested+`}`)
		},
		good: read{200, "t", "", 1}, bad: read{500, "", "", 1},
	},
	"error code": { // in what is no JSON there is none, and then it is no refusal of the subject
		config: harness.OAuth2Config("", harness.Exchange, map[string]any{"cache": map[string]any{"backoff": 30_000}}),
		answer: func(nested string) http.HandlerFunc {
			return harness.JSON(400, `{"x":`+nested+`,"error":"invalid_grant"}`)
		},
		good: read{401, "", "", 1}, bad: read{500, "", "", 1},
	},
	"error code with 401": {
		config: harness.OAuth2Config("", harness.Exchange, map[string]any{"cache": map[string]any{"backoff": 30_000}}),
		answer: func(nested string) http.HandlerFunc {
			return harness.JSON(401, `{"error":"invalid_token","x":`+nested+`}`)
		},
		good: read{401, "", "", 1}, bad: read{500, "", "", 1},
	},
	"JWT in a header": { // expired: a token that is not kept
		config:    harness.PlainConfig(map[string]any{"cache": map[string]any{}}),
		answer:    func(nested string) http.HandlerFunc { return harness.HeaderToken("X-Token", expiredJWT(nested)) },
		maxLength: maxClaims - 100,
		good:      read{200, "a JWT", "", 2}, bad: read{200, "a JWT", "", 1},
	},
	"JWT in a body": {
		config: harness.OAuth2Config("", nil, map[string]any{"tokenHeader": "X-Token", "tokenPrefix": ""}),
		answer: func(nested string) http.HandlerFunc {
			return harness.JSON(200, `{"access_token":"`+expiredJWT(nested)+`"}`)
		},
		maxLength: maxClaims - 100,
		good:      read{200, "a JWT", "", 2}, bad: read{200, "a JWT", "", 1},
	},
}

// read is what of an answer was read, as two requests one after the other show.
type read struct {
	status int
	token  string // that the upstream received; "a JWT" for one
	user   string // X-User
	calls  int
}

func expiredJWT(nested string) string { return harness.UnsignedJWT(`{"x":` + nested + `,"exp":1}`) }

// pathsIntoText look into JSON that stands in a text, which is nested as deep as the token service likes: brackets in a text
// do not count.
var pathsIntoText = map[string]string{
	"fromstr":         `payload|@fromstr|token`,
	"fromstr, valid":  `payload|@fromstr|@valid|token`,
	"fromstr, pretty": `payload|@fromstr|@pretty|token`,
	"fromstr twice":   `payload|@fromstr|@fromstr`,
	"fromstr, dig":    `payload|@fromstr|@dig:token|0`,
}

// TestHostileAnswers has the token service nest its JSON deeper than a parser can follow.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	hosts := map[string]map[string]any{"alive": harness.PlainConfig(map[string]any{"requestPath": "/alive"})}
	answers := map[string]http.HandlerFunc{"alive": harness.HeaderToken("X-Token", "t")}
	host := func(place, nesting string) string { return harness.HostName(place + "." + nesting) }
	for place, test := range hostileAnswers {
		for nesting, nested := range nestings {
			name := host(place, nesting)
			hosts[name] = harness.Merge(test.config, map[string]any{"requestPath": "/" + name})
			answers[name] = test.answer(nested.value)
		}
	}
	for name, path := range pathsIntoText {
		hosts[harness.HostName(name)] = harness.PlainConfig(map[string]any{"tokenPath": path})
	}
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(hosts)})
	gateway.Token.Handle(harness.ByPath(answers, harness.Status(http.StatusTeapot)))
	for place, test := range hostileAnswers {
		for nesting, nested := range nestings {
			if test.maxLength != 0 && len(nested.value) > test.maxLength {
				continue
			}
			t.Run(fmt.Sprint(place, "/", nesting), func(t *testing.T) {
				want := test.bad
				if nested.isJSON {
					want = test.good
				}
				if got := readTwice(t, gateway, host(place, nesting)); got != want {
					t.Errorf("read %+v, want %+v", got, want)
				}
				checkServesOn(t, gateway, "alive")
			})
		}
	}
	for name := range pathsIntoText {
		t.Run(name, func(t *testing.T) {
			gateway.Token.Handle(harness.JSON(200, `{"payload":`+jsonText(`{"token":"t","x":`+nestedLists(100_000, "")+`}`)+`}`))
			getTimed(t, gateway, harness.HostName(name))
			gateway.Token.Handle(harness.JSON(200, `{"payload":`+jsonText(`{"token":"t"}`)+`}`))
			checkServesOn(t, gateway, harness.HostName(name))
		})
	}
}

// readTwice sends two requests, whose answers must be alike.
func readTwice(t *testing.T, gateway *harness.Gateway, host string) read {
	t.Helper()
	var reads [2]read
	for i := range reads {
		gateway.Upstream.Forget()
		result := getTimed(t, gateway, host, "Authorization: Bearer caller", "X-Token: forged")
		if result.Err != nil {
			t.Fatal(result.Err)
		}
		reads[i].status = result.Status
		if result.Status == http.StatusOK {
			header := gateway.Upstream.Last(t).Header
			reads[i].token, reads[i].user = header.Get("X-Token"), header.Get("X-User")
		}
		if strings.Count(reads[i].token, ".") == 2 {
			reads[i].token = "a JWT"
		}
	}
	if reads[0] != reads[1] {
		t.Errorf("the second request got %+v, the first %+v", reads[1], reads[0])
	}
	reads[1].calls = len(gateway.Token.CallsOf(host))
	return reads[1]
}

// maxDepth is how deep JSON from outside may nest.
const maxDepth = 64

// nestedLists are lists in lists, that many, with a JSON value in the innermost.
func nestedLists(depth int, innermost string) string {
	return strings.Repeat("[", depth) + innermost + strings.Repeat("]", depth)
}

// nestedObjects are objects in objects, that many.
func nestedObjects(depth int) string {
	return strings.Repeat(`{"a":`, depth-1) + `{}` + strings.Repeat("}", depth-1)
}

// nestedBoth alternates lists and objects.
func nestedBoth(depth int) string {
	open, end := strings.Repeat(`[{"a":`, depth/2), strings.Repeat("}]", depth/2)
	return open + nestedLists(depth%2, "0") + end
}

// bracketText is text that is nested only for those who do not see that it is text: it has
// that many brackets, and quotes and backslashes, which JSON escapes.
func bracketText(count int) string {
	return `"[{\"` + strings.Repeat(`[{"\`, count/4) + `\\`
}

// jsonText is a text as JSON.
func jsonText(text string) string {
	data, err := json.Marshal(text)
	if err != nil {
		panic(err) // there is no such text
	}
	return string(data)
}
