package caching_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// TestRenewal has three tokens at the same time, each with a use of its own. It
// takes 12 s, or what E2E_RENEWAL_SECONDS says; with -short 8 s.
func TestRenewal(t *testing.T) {
	t.Parallel()
	const (
		lifetime = 3 * time.Second
		// By default a second before the end, when a tenth is less, and up to a fifth of it earlier.
		renewedAt = 1800 * time.Millisecond
		callTime  = 200 * time.Millisecond
	)
	duration := time.Duration(harness.Amount(t, "E2E_RENEWAL_SECONDS", 12, 8)) * time.Second
	configs := harness.CachedConfigs([]string{"busy", "unused", "lost"}, map[string]any{"backoff": 300})
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(configs), WasmLog: "debug"})
	tokens := &harness.TokenIssuer{}
	lost := harness.NewAnswerSwitch(tokens.Answer(lifetime.Seconds()))
	gateway.Token.Handle(harness.ByPath(map[string]http.HandlerFunc{"lost": lost.Answer},
		harness.Delay(callTime, tokens.Answer(lifetime.Seconds()))))
	denied := 0
	gateway.Ask(t, "unused").CheckToken(t, harness.IssuedToken("unused", 1)) // and never again

	t.Run("uses", func(t *testing.T) {
		t.Run("busy", func(t *testing.T) {
			t.Parallel()
			gateway.Ask(t, "busy").CheckToken(t, harness.IssuedToken("busy", 1))
			results := harness.Load(200, duration, func(int) harness.Result { return gateway.Ask(t, "busy") })
			for _, result := range results {
				if result.Err != nil || result.Status != http.StatusOK {
					t.Fatalf("a request was answered %d (%v)", result.Status, result.Err)
				}
			}
			tokens.CheckFresh(t, gateway.Upstream, "busy", lifetime)
		})
		t.Run("token service lost", func(t *testing.T) {
			t.Parallel()
			denied = loseTokenService(t, gateway, tokens, lost, lifetime)
		})
	})

	busy := gateway.Token.CallsOf("busy")
	for i := 1; i < len(busy); i++ {
		// The token's time begins when its call is sent.
		if gap := busy[i].Time.Sub(busy[i-1].Time); gap < renewedAt-50*time.Millisecond || gap > lifetime {
			t.Errorf("two calls are %s apart, want %s and little more", gap, renewedAt)
		}
	}
	if least := int(duration/lifetime) + 1; len(busy) < least {
		t.Errorf("%d calls for the busy token in %s, want at least %d", len(busy), duration, least)
	}
	// It was used in the first half of its life only.
	gateway.Token.CheckCallsOf(t, "unused", 1)

	// Each token's first request had to wait, and one when the service was back. No
	// renewal had any request wait.
	gateway.WaitCounter(t, "cache_misses", 3+denied+1)
	gateway.WaitCounter(t, "denied", denied)
	gateway.WaitCounter(t, "coalesced", 0)
	gateway.WaitCounter(t, "stale_served", 0)
	gateway.WaitCounter(t, "calls", len(gateway.Token.Calls()))
	refreshes := gateway.Counter(t, "refreshes")
	if least := len(busy) - 1 + 2; refreshes < least {
		t.Errorf("refreshes is %d, want at least %d", refreshes, least)
	}
}

// loseTokenService takes the token service down before a renewal and brings it back
// after the token's end. It returns how many requests were denied meanwhile.
func loseTokenService(t *testing.T, gateway *harness.Gateway, tokens *harness.TokenIssuer, service *harness.AnswerSwitch, lifetime time.Duration) (denied int) {
	t.Helper()
	first := gateway.Ask(t, "lost")
	first.CheckToken(t, harness.IssuedToken("lost", 1))
	issued, _ := tokens.Of(first.Token())
	service.Set(harness.Status(http.StatusServiceUnavailable))
	// The plugin counts the lifetime from when the call was sent, which is between the first request and
	// the issue.
	surelyValid, surelyExpired := first.SentAt.Add(lifetime), issued.At.Add(lifetime+50*time.Millisecond)

	for time.Now().Before(surelyExpired.Add(500 * time.Millisecond)) {
		result := gateway.Ask(t, "lost")
		switch {
		case result.Status == http.StatusInternalServerError && result.AnsweredAt.After(surelyValid):
			denied++
		case result.Status == http.StatusOK && result.Token() == first.Token() && result.SentAt.Before(surelyExpired):
		default:
			t.Fatalf("%s after the issue, a request was answered %d with the token %q (%v)",
				result.SentAt.Sub(issued.At), result.Status, result.Token(), result.Err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if denied == 0 {
		t.Error("no request was denied after the token's end")
	}
	calls := gateway.Token.CallsOf("lost")
	if early := slices.IndexFunc(calls[1:], func(call harness.Call) bool { return call.Time.Before(surelyValid) }); early != 0 {
		t.Errorf("there was no renewal before the token's end")
	}
	harness.CheckBackoff(t, calls[1:], 300*time.Millisecond, 500*time.Millisecond)

	service.Set(tokens.Answer(300))
	harness.Eventually(t, harness.Limit, func() error {
		result := gateway.Ask(t, "lost")
		if result.Status != http.StatusOK {
			denied++
			return fmt.Errorf("with the token service back, a request was answered %d", result.Status)
		}
		result.CheckToken(t, harness.IssuedToken("lost", 2))
		return nil
	})
	return denied
}
