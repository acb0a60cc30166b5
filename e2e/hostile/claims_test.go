package hostile_test

import (
	"encoding/base64"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// taken is what the plugin makes of a client's token.
type taken string

const (
	takenOpaque  taken = "for an opaque token, and exchanged"
	takenExpired taken = "for a JWT that has expired"
	takenMissing taken = "for no token"
	takenAtAll   taken = "in any way"
	takenTooLong taken = "for a request that Envoy itself refuses"
)

// hostileTokens are what clients may send to be exchanged, besides the nestings of the answers. What is no JSON by its depth is
// no JWT either, and so an opaque token.
var hostileTokens = map[string]struct {
	token string
	want  taken
}{
	"brackets in text":      {harness.UnsignedJWT(`{"a":` + jsonText(bracketText(4000)+`"\`) + `,"exp":1}`), takenExpired},
	"2,000 objects":         {harness.UnsignedJWT(`{"exp":1,"a":` + strings.Repeat(`{"":`, 2000) + `1` + strings.Repeat("}", 2000) + `}`), takenOpaque},
	"12,000 lists":          {hostileJWT("a", strings.Repeat("[", 12_000)), takenOpaque},
	"12,000 lists, padded":  {hostileJWT("a", strings.Repeat("[", 11_999)) + "==", takenOpaque},
	"in the header":         {hostileJWT(strings.Repeat("[", 11_000), `{"exp":1}`), takenAtAll},
	"in the header, closed": {hostileJWT(nestedLists(5_500, ""), `{"exp":9999999999}`), takenOpaque},
	"40,000 lists":          {hostileJWT("a", strings.Repeat("[", 40_000)), takenMissing},
	"100,000 lists":         {hostileJWT("a", strings.Repeat("[", 100_000)), takenTooLong},
	"no JSON at all":        {"a." + strings.Repeat("W", 16_000) + ".c", takenOpaque},
}

func hostileJWT(header, claims string) string {
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return encode(header) + "." + encode(claims) + ".c"
}

// TestHostileClaims has one client send a token that only a parser without a limit would read,
// after which the gateway must serve all the others.
func TestHostileClaims(t *testing.T) {
	t.Parallel()
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(map[string]map[string]any{
		"exchange": harness.OAuth2Config("/exchange", harness.Exchange, nil),
	})})
	gateway.Token.Handle(harness.JSON(200, `{"access_token":"exchanged","expires_in":3600}`))
	tokens := maps.Clone(hostileTokens)
	for name, nested := range nestings {
		if len(nested.value) < maxClaims-100 {
			test := tokens[name]
			test.token, test.want = expiredJWT(nested.value), map[bool]taken{true: takenExpired, false: takenOpaque}[nested.isJSON]
			tokens["nested: "+name] = test
		}
	}
	for name, test := range tokens {
		t.Run(name, func(t *testing.T) {
			gateway.Token.Forget()
			result := getTimed(t, gateway, "exchange", "Authorization: Bearer "+test.token)
			calls := len(gateway.Token.Calls())
			if got := takenFor(result, calls); got != test.want && test.want != takenAtAll {
				t.Errorf("answered %d %q (%v) with WWW-Authenticate %q after %d calls, want the token to be taken %s", result.Status,
					result.Body, result.Err, result.Header.Values("WWW-Authenticate"), calls, test.want)
			}
			checkServesOn(t, gateway, "exchange", "Authorization: Bearer good")
		})
	}
}

func takenFor(result harness.Result, calls int) taken {
	challenge := result.Header.Get("WWW-Authenticate")
	switch {
	case result.Status == http.StatusOK && calls == 1:
		return takenOpaque
	case result.Status == http.StatusUnauthorized && calls == 0 && challenge == harness.InvalidToken:
		return takenExpired
	case result.Status == http.StatusUnauthorized && calls == 0:
		return takenMissing
	case result.Status == http.StatusRequestHeaderFieldsTooLarge:
		return takenTooLong
	}
	return "otherwise"
}

// getTimed sends a request and checks that its answer comes soon, long before any timeout.
func getTimed(t *testing.T, gateway *harness.Gateway, host string, headers ...string) harness.Result {
	t.Helper()
	result := gateway.Ask(t, host, headers...)
	if result.Took() > 5*time.Second {
		t.Errorf("got the answer after %s", result.Took())
	}
	return result
}

// checkServesOn checks that the VM still lives. Stock Envoy answers 503 for one that does not.
func checkServesOn(t *testing.T, gateway *harness.Gateway, host string, headers ...string) {
	t.Helper()
	if result := getTimed(t, gateway, host, headers...); result.Status != http.StatusOK || result.Err != nil {
		t.Fatalf("afterwards, the gateway answered %d %q (%v)", result.Status, result.Body, result.Err)
	}
}
