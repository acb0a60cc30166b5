package services_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// jwtOf is a token by a clock that is so far ahead.
func jwtOf(ahead, lifetime time.Duration) string {
	now := time.Now().Add(ahead)
	claims := fmt.Sprintf(`{"iat": %d, "exp": %d}`, now.Unix(), now.Add(lifetime).Unix())
	return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

// An issuer whose clock is off makes one call for each lifetime, as any other, and says so nowhere in the log.
func TestIssuersClockIsOff(t *testing.T) {
	t.Parallel()
	hosts := map[string]time.Duration{"same.test": 0, "behind.test": -400 * time.Second, "ahead.test": 400 * time.Second}
	var rules []harness.Config
	for host := range hosts {
		rules = append(rules, harness.Config{"_match_domain_": []string{host}, "requestPath": "/" + host})
	}
	gateway := harness.Start(t, harness.Options{Config: harness.PlainConfig(harness.Config{"cache": harness.Config{}, "_rules_": rules})})
	gateway.Token.Handle(func(w http.ResponseWriter, r *http.Request) {
		ahead := hosts[strings.TrimPrefix(r.URL.Path, "/")]
		w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		w.Header().Set("X-Token", jwtOf(ahead, 300*time.Second))
	})
	for host := range hosts {
		for range 10 {
			harness.CheckStatus(t, gateway.Get(t, "/", "Host: "+host), http.StatusOK)
		}
		gateway.Token.CheckCallsOf(t, host, 1)
	}
	if gateway.LogContains("every request makes a token call") {
		t.Error("the log says that every request makes a token call")
	}
}

// What is wrong with the answers of a service is said once, with what to set.
func TestWarningsAboutAnswers(t *testing.T) {
	t.Parallel()
	type answer struct {
		headers []string
		body    string
		warning string // what the line has, the first part and what to set
		set     string
		calls   int // for the requests
	}
	const requests = 5
	tests := map[string]answer{
		"max-age":    {[]string{"Cache-Control: max-age=0, private, must-revalidate"}, `{"t": "t1"}`, "max-age", "cache.ignoreCacheControl", requests},
		"no-store":   {[]string{"Cache-Control: no-store"}, `{"t": "t1"}`, "forbids by its Cache-Control", "cache.ignoreCacheControl", requests},
		"expires":    {[]string{"Expires: 0"}, `{"t": "t1"}`, "Expires that has passed", "cache.ignoreCacheControl", requests},
		"zero":       {nil, `{"t": "t1", "expires_in": 0}`, "lifetime of 0 at expires_in", "cache.expiresInPath", requests},
		"past":       {nil, `{"t": "t1", "end": "2020-01-01T00:00:00Z"}`, "an end at end that has passed", "cache.expiresAtPath", requests},
		"unreadable": {nil, `{"t": "t1", "end": "` + harness.SecretMark + `/23/2026"}`, `"a9aa9a/99/9999" at end`, "cache.expiresAtPath", 1},
		"zone":       {nil, `{"t": "t1", "end": "` + time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05.000000-0700") + `"}`, "", "", 1},
	}
	var rules []harness.Config
	var services []harness.Service
	for name, test := range tests {
		token := harness.NewTokenService(t)
		token.Handle(func(w http.ResponseWriter, _ *http.Request) { answers(200, test.body, test.headers...)(w) })
		address := strings.TrimPrefix(token.URL(), "http://")
		services = append(services, harness.Service{Cluster: name + "-service", Address: address})
		rules = append(rules, harness.Config{"_match_domain_": []string{name + ".test"}, "serviceCluster": name + "-service", "serviceHost": "token.test"})
	}
	gateway := harness.Start(t, harness.Options{Services: services, WasmLog: "info", Config: harness.Config{
		"enabled": false, "requestPath": "/token", "tokenHeader": "X-Token", "tokenPath": "t", "timeout": 10_000, "cache": harness.Config{"expiresAtPath": "end"}, "_rules_": rules,
	}})
	for name, test := range tests {
		for range requests {
			gateway.Ask(t, name+".test").CheckToken(t, "t1")
		}
		lines := func() []string {
			return slices.DeleteFunc(slices.Collect(strings.Lines(gateway.Log())), func(line string) bool {
				return !strings.Contains(line, name+"-service ") || !strings.Contains(line, " answers ") && !strings.Contains(line, " forbids ")
			})
		}
		want := 1
		if test.warning == "" {
			want = 0
		}
		harness.Eventually(t, harness.Limit, func() error {
			if got := lines(); len(got) != want {
				return fmt.Errorf("%s: %d lines about it, want %d: %q", name, len(got), want, got)
			}
			return nil
		})
		for _, line := range lines() {
			if !strings.Contains(line, test.warning) || !strings.Contains(line, test.set) {
				t.Errorf("%s: the log has %q, want %q and %q", name, line, test.warning, test.set)
			}
		}
	}
}
