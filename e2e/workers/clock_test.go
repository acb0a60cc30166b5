package workers_test

import (
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// Envoy's wall clock is set an hour ahead and back: no token is used past its expiry, by whichever clock is first, and none
// forever. Each kind of lifetime is tested in internal/cache, internal/share and internal/tokenservice.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	const (
		brief   = 3 * time.Second
		noticed = 300 * time.Millisecond // the plugin looks at its clocks at each event, and every tenth of a second
	)
	configs := harness.CachedConfigs([]string{"minutes", "hours", "brief", "busy"}, map[string]any{"refreshBefore": 0, "backoff": 1})
	maps.Copy(configs, map[string]map[string]any{"exchange": harness.OAuth2Config("/exchange", harness.Exchange, nil)})
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(configs), Workers: workers, SetClock: true, WasmLog: "info"})
	clients := gateway.WorkerClients(t)
	tokens := &harness.TokenIssuer{}
	gateway.Token.Handle(harness.ByPath(map[string]http.HandlerFunc{
		"minutes": tokens.Answer(600), "hours": tokens.Answer(3 * 3600), "brief": tokens.Answer(brief.Seconds()),
	}, harness.ExchangeServer(3600)))
	check := func(t *testing.T, host string, token int) {
		t.Helper()
		for _, client := range clients {
			gateway.AskBy(t, client, host).CheckToken(t, harness.IssuedToken(host, token))
		}
	}
	setClock := func(ahead time.Duration) {
		gateway.SetClock(t, ahead)
		time.Sleep(noticed)
	}
	subject := func(ahead time.Duration) string {
		return "Authorization: Bearer " + harness.UnsignedJWT(fmt.Sprintf(`{"sub":"erin","exp":%d}`, time.Now().Add(ahead+10*time.Minute).Unix()))
	}
	early, late := subject(0), subject(time.Hour)

	check(t, "minutes", 1)
	check(t, "hours", 1)
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: exchange", early), http.StatusOK)
	setClock(time.Hour)
	t.Run("an hour ahead", func(t *testing.T) {
		check(t, "minutes", 2)
		check(t, "hours", 1)
		check(t, "brief", 1)
		harness.CheckUnauthorized(t, gateway.Get(t, "/", "Host: exchange", early), harness.InvalidToken)
		harness.CheckStatus(t, gateway.Get(t, "/", "Host: exchange", late), http.StatusOK)
	})
	for name, ahead := range map[string]time.Duration{"back": 0, "an hour behind": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			before := gateway.Ask(t, "brief").Token()
			setClock(ahead)
			time.Sleep(brief)
			if after := gateway.Ask(t, "brief"); after.Status != http.StatusOK || after.Token() == before {
				t.Errorf("answered %d with the token %q from before, want another", after.Status, after.Token())
			}
			check(t, "hours", 1)
			harness.CheckStatus(t, gateway.Get(t, "/", "Host: exchange", early), http.StatusOK)
		})
	}
	t.Run("a wait for the service", func(t *testing.T) {
		gateway.Token.Handle(harness.Busy(http.StatusTooManyRequests, func() string { return "2" }))
		if result := gateway.Ask(t, "busy"); result.Status != http.StatusInternalServerError {
			t.Errorf("answered %d %q (%v), want 500", result.Status, result.Body, result.Err)
		}
		gateway.Token.Handle(tokens.Answer(3600))
		setClock(-2 * time.Hour)
		harness.Eventually(t, harness.Limit, func() error {
			if result := gateway.Ask(t, "busy"); result.Status != http.StatusOK {
				return fmt.Errorf("answered %d long after a failure", result.Status)
			}
			return nil
		})
	})
}
