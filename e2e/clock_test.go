package e2e_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// TestClockJumps sets Envoy's wall clock an hour ahead and back while requests come: no token may
// be used past its end, by whichever clock says so first, and none for ever.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	configs := map[string]map[string]any{"exchange": harness.OAuth2Config("/exchange", harness.Exchange, nil)}
	for host := range clockedLifetimes {
		maps.Copy(configs, harness.CachedConfigs([]string{host}, map[string]any{"refreshBefore": 0}))
	}
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(configs), Workers: workers, SetClock: true, WasmLog: "info"})
	service := newClockedService(gateway)
	clients := gateway.WorkerClients(t)
	ask := func(t *testing.T, host string) (token string) {
		t.Helper()
		for _, client := range clients {
			result := gateway.AskBy(t, client, host)
			service.checkServed(t, host, result)
			token = result.Token()
		}
		return token
	}
	served := slices.DeleteFunc(slices.Sorted(maps.Keys(clockedLifetimes)), func(host string) bool { return strings.HasPrefix(host, "busy") })
	askAll := func(t *testing.T) map[string]string {
		t.Helper()
		tokens := map[string]string{}
		for _, host := range served {
			tokens[host] = ask(t, host)
		}
		return tokens
	}

	first := askAll(t)
	stop, results := make(chan struct{}), make(chan []hostAnswer, 1)
	go func() {
		results <- harness.LoadUntil(stop, 50, func(i int) hostAnswer {
			host := served[i%len(served)]
			return hostAnswer{host, gateway.Ask(t, host)}
		})
	}()

	t.Run("an hour ahead", func(t *testing.T) {
		service.setClock(t, time.Hour)
		checkClock(t, gateway, time.Hour)
		for host, token := range askAll(t) {
			if kept := token == first[host]; kept != (host == "expires-in-long") {
				t.Errorf("%s goes on with the token from before the jump: %t", host, kept)
			}
		}
	})
	t.Run("back", func(t *testing.T) {
		ahead := map[string]string{}
		for _, host := range []string{"expires-in-short", "jwt-short"} {
			ahead[host] = ask(t, host)
		}
		service.setClock(t, 0)
		time.Sleep(clockedLifetimes["jwt-short"].life)
		for host, token := range ahead {
			if ask(t, host) == token {
				t.Errorf("%s goes on with its token", host)
			}
		}
		askAll(t)
	})
	t.Run("an hour behind", func(t *testing.T) {
		service.setClock(t, -time.Hour)
		askAll(t)
		time.Sleep(clockedLifetimes["jwt-short"].life)
		askAll(t)
		service.setClock(t, 0)
		askAll(t)
	})
	close(stop)
	for _, result := range <-results {
		service.checkServed(t, result.host, result.Result)
	}
	t.Run("backoff", func(t *testing.T) { checkBackoffInJumps(t, service) })
	t.Run("subject", func(t *testing.T) { checkSubjectInJumps(t, service) })
}

// checkClock checks that Envoy's clock is what the test believes, by a reply of Envoy's own; its
// Date may be half a second old.
func checkClock(t *testing.T, gateway *harness.Gateway, ahead time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(harness.Limit); ; time.Sleep(50 * time.Millisecond) {
		text := gateway.Get(t, "/", "Host: exchange").Header.Get("Date")
		date, err := http.ParseTime(text)
		if err != nil {
			t.Fatalf("a reply of Envoy's has the Date %q", text)
		}
		off := time.Until(date) - ahead
		if off.Abs() < 5*time.Second {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("envoy's clock is %s from where the test has set it", off)
		}
	}
}

// checkBackoffInJumps has the clock jump while the plugin holds back its calls.
func checkBackoffInJumps(t *testing.T, service *clockedService) {
	const most = 2*time.Second + 2*time.Second/5 + 1500*time.Millisecond // its wait, what it adds at random, and a busy machine
	hosts := []string{"busy-backoff", "busy-date", "busy-seconds"}
	for _, ahead := range []time.Duration{time.Hour, 0, -time.Hour, 0} {
		service.setBusy(true)
		for _, host := range hosts {
			if result := service.gateway.Ask(t, host); result.Status != http.StatusInternalServerError {
				t.Errorf("%s was answered %d %q (%v), want 500", host, result.Status, result.Body, result.Err)
			}
		}
		service.setClock(t, ahead)
		service.setBusy(false)
		start := time.Now()
		for _, host := range hosts {
			for service.gateway.Ask(t, host).Status != http.StatusOK {
				if time.Since(start) > most {
					t.Fatalf("with the clock %s ahead, %s is not served %s after a failure", ahead, host, most)
				}
				time.Sleep(20 * time.Millisecond)
			}
			t.Logf("clock %s ahead: %s is served after %s", ahead, host, time.Since(start).Round(time.Millisecond))
		}
	}
}

// checkSubjectInJumps exchanges a token that the jump makes an expired one.
func checkSubjectInJumps(t *testing.T, service *clockedService) {
	gateway := service.gateway
	gateway.Token.Handle(harness.ExchangeServer(3600))
	subject := func(ahead time.Duration) string {
		return "Authorization: Bearer " + harness.UnsignedJWT(fmt.Sprintf(`{"sub":"erin","exp":%d}`, time.Now().Add(ahead+10*time.Minute).Unix()))
	}
	early, late := subject(0), subject(time.Hour)
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: exchange", early), http.StatusOK)
	calls := len(gateway.Token.Calls())
	service.setClock(t, time.Hour)
	answer := gateway.Get(t, "/", "Host: exchange", early)
	harness.CheckStatus(t, answer, http.StatusUnauthorized)
	if challenge, want := answer.Header.Get("WWW-Authenticate"), `Bearer realm="token-fetch", error="invalid_token"`; challenge != want {
		t.Errorf("WWW-Authenticate is %q, want %q", challenge, want)
	}
	if made := len(gateway.Token.Calls()) - calls; made != 0 {
		t.Errorf("%d calls for a subject that is over, want 0", made)
	}
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: exchange", late), http.StatusOK)
	service.setClock(t, 0)
	for _, header := range []string{early, late} {
		harness.CheckStatus(t, gateway.Get(t, "/", "Host: exchange", header), http.StatusOK)
	}
}
