package e2e_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// oauth2Lifetimes are answers of authorization servers, which have to forbid everybody else to
// store them (RFC 6749 section 5.1). The ttl is one of long and short.
var oauth2Lifetimes = map[string]struct {
	ttl    int
	answer http.HandlerFunc
	want   kept
}{
	"no-store":                  {3600, headed(`{"access_token":"t"}`, "Cache-Control: no-store", "Pragma: no-cache"), keptLong},
	"no-store, short ttl":       {2, headed(`{"access_token":"t"}`, "Cache-Control: no-store", "Pragma: no-cache"), keptShort},
	"Spring's":                  {3600, headed(`{"access_token":"t"}`, "Cache-Control: no-cache, no-store, max-age=0, must-revalidate", "Pragma: no-cache", "Expires: 0"), keptLong},
	"expired long ago":          {3600, headed(`{"access_token":"t"}`, "Expires: Thu, 01 Jan 1970 00:00:00 GMT"), keptLong},
	"max-age":                   {2, headed(`{"access_token":"t"}`, "Cache-Control: max-age=3600"), keptShort},
	"max-age zero":              {3600, headed(`{"access_token":"t"}`, "Cache-Control: max-age=0"), keptLong},
	"Expires":                   {2, headed(`{"access_token":"t"}`, "Expires: Thu, 31 Dec 2099 00:00:00 GMT"), keptShort},
	"expires_in and no-store":   {3600, headed(`{"access_token":"t","expires_in":2}`, "Cache-Control: no-store"), keptShort},
	"expires_in null, no-store": {2, headed(`{"access_token":"t","expires_in":null}`, "Cache-Control: no-store"), keptShort},
	"JWT and no-store":          {2, headed(`{"access_token":"`+jwt(time.Now().Add(time.Hour))+`"}`, "Cache-Control: no-store"), keptLong},
	"expired JWT and no-store":  {3600, headed(`{"access_token":"`+jwt(time.Now().Add(-time.Hour))+`"}`, "Cache-Control: no-store"), notKept},
}

// headed is a JSON answer with headers given as "Name: value".
func headed(body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, header := range headers {
			name, value, _ := strings.Cut(header, ": ")
			w.Header().Add(name, value)
		}
		harness.JSON(200, body)(w, r)
	}
}

func oauth2LifetimeHost(name string) string {
	return harness.HostName(strings.ReplaceAll(name, "'", ""))
}

func TestOAuth2Lifetimes(t *testing.T) {
	t.Parallel()
	hosts, answers := map[string]map[string]any{}, map[string]http.HandlerFunc{}
	for name, test := range oauth2Lifetimes {
		host := oauth2LifetimeHost(name)
		hosts[host] = harness.OAuth2Config("/"+host, nil, map[string]any{
			"tokenHeader": "X-Token", "tokenPrefix": "", "cache": map[string]any{"ttl": test.ttl, "refreshBefore": 0},
		})
		answers[host] = test.answer
	}
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(hosts)})
	gateway.Token.Handle(harness.ByPath(answers, harness.Status(http.StatusTeapot)))

	got := observeLifetimes(t, gateway, slices.Collect(maps.Keys(hosts)))
	for name, test := range oauth2Lifetimes {
		t.Run(name, func(t *testing.T) {
			if got := got[oauth2LifetimeHost(name)]; got != test.want {
				t.Errorf("the token is kept %s, want %s", got, test.want)
			}
		})
	}
	if lines := noStoreLines(gateway); len(lines) != 0 {
		t.Errorf("the plugin wrote about no-store, which has no meaning with oauth2:\n%s", strings.Join(lines, ""))
	}
}

// TestNoStoreIsLogged has a service that forbids storing its tokens: whoever has configured a
// cache must hear that there is none, once.
func TestNoStoreIsLogged(t *testing.T) {
	t.Parallel()
	const requests = 20
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(harness.CachedConfigs([]string{"plain"}, map[string]any{})), WasmLog: "info"})
	gateway.Token.Handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "No-Store")
		w.Header().Set("X-Token", harness.SecretMark)
	})
	for range requests {
		gateway.Ask(t, "plain").CheckToken(t, harness.SecretMark)
	}
	gateway.Token.CheckCallsOf(t, "plain", requests)
	count := func() int { return len(noStoreLines(gateway)) }
	// Envoy's output may come a moment later than its answers.
	for deadline := time.Now().Add(harness.Limit); count() == 0 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if lines := count(); lines != 1 {
		t.Errorf("the plugin wrote %d lines about it, want one:\n%s", lines, strings.Join(noStoreLines(gateway), ""))
	}
}

// noStoreLines are the log's lines about a service that forbids to store its tokens.
func noStoreLines(gateway *harness.Gateway) []string {
	return slices.DeleteFunc(slices.Collect(strings.Lines(gateway.Log())), func(line string) bool {
		return !strings.Contains(line, "no-store") && !strings.Contains(line, "Cache-Control")
	})
}
