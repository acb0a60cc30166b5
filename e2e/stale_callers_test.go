package e2e_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// staleHosts are served by one gateway whose token service fails in a way of each test's own.
var staleHosts = map[string]map[string]any{
	"callers": harness.PlainConfig(map[string]any{"requestPath": "/callers", "cache": staleCache, "forwardHeaders": []string{"X-User"}}),
	"subject": harness.OAuth2Config("/subject", harness.Exchange, map[string]any{"cache": staleCache}),
	"renewed": harness.PlainConfig(map[string]any{"requestPath": "/renewed", "cache": map[string]any{"staleIfError": 60, "refreshBefore": 2, "backoff": 100}}),
}

func TestStaleTokensOf(t *testing.T) {
	t.Parallel()
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(staleHosts)})
	answers, services := map[string]http.HandlerFunc{}, map[string]*harness.AnswerSwitch{}
	for host := range staleHosts {
		services[host] = harness.NewAnswerSwitch(freshToken)
		answers[host] = services[host].Answer
	}
	gateway.Token.Handle(harness.ByPath(answers, harness.Status(http.StatusTeapot)))
	t.Run("callers", func(t *testing.T) { checkStaleCallers(t, gateway, services["callers"]) })
	t.Run("subject", func(t *testing.T) { checkStaleSubject(t, gateway, services["subject"]) })
	t.Run("renewed", func(t *testing.T) { checkRefusedRenewal(t, gateway, services["renewed"]) })
}

// checkStaleCallers has the service refuse one caller and then break down for all.
func checkStaleCallers(t *testing.T, gateway *harness.Gateway, service *harness.AnswerSwitch) {
	const alice, bob = "X-User: alice", "X-User: bob"
	for _, caller := range []string{alice, bob} {
		if got := serve(t, gateway, "callers", caller); got != servedToken {
			t.Fatalf("%s got %s", caller, got)
		}
	}
	time.Sleep(staleLifetime + 100*time.Millisecond)
	service.Set(harness.Status(http.StatusForbidden))
	if got := serve(t, gateway, "callers", alice); got != servedDenied {
		t.Errorf("the refused caller got %s", got)
	}
	service.Set(harness.Status(http.StatusServiceUnavailable))
	for range 2 {
		if got := serve(t, gateway, "callers", bob); got != servedToken {
			t.Errorf("the other caller got %s, want the stale token", got)
		}
		if got := serve(t, gateway, "callers", alice); got != servedDenied {
			t.Errorf("the refused caller got %s once the service was down", got)
		}
	}
}

// checkStaleSubject has the service break down while the client's own token expires.
func checkStaleSubject(t *testing.T, gateway *harness.Gateway, service *harness.AnswerSwitch) {
	expiry := time.Now().Add(staleLifetime + 3*time.Second).Truncate(time.Second)
	subject := "Authorization: Bearer " + harness.UnsignedJWT(fmt.Sprintf(`{"sub":"alice","exp":%d}`, expiry.Add(-harness.SubjectLeeway).Unix()))
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: subject", subject), 200)
	time.Sleep(staleLifetime + 100*time.Millisecond)
	service.Set(harness.Status(http.StatusServiceUnavailable))
	stale, expired := 0, 0
	for time.Now().Before(expiry.Add(500 * time.Millisecond)) {
		result := gateway.Ask(t, "subject", subject)
		challenge := result.Header.Get("WWW-Authenticate")
		switch {
		case result.Status == http.StatusOK && result.SentAt.Before(expiry):
			gateway.Upstream.CheckHeader(t, "Authorization", "Bearer fresh")
			stale++
		case result.Status == http.StatusUnauthorized && challenge == harness.InvalidToken && result.AnsweredAt.After(expiry):
			expired++
		default:
			t.Fatalf("%s before the subject's end, a request was answered %d %q with WWW-Authenticate %q (%v)",
				time.Until(expiry), result.Status, result.Body, challenge, result.Err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if stale == 0 || expired == 0 {
		t.Errorf("%d requests had the stale token, %d came after the subject's end, want some of both", stale, expired)
	}
	for _, call := range gateway.Token.CallsOf("subject") {
		if call.Time.After(expiry) {
			t.Errorf("the token service was called %s after the subject's end", call.Time.Sub(expiry))
		}
	}
}

// checkRefusedRenewal has the service refuse the renewal of a token in use, and then break down.
func checkRefusedRenewal(t *testing.T, gateway *harness.Gateway, service *harness.AnswerSwitch) {
	const lifetime = 4 * time.Second
	service.Set(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Token", "fresh")
		harness.JSON(200, map[string]any{"expires_in": lifetime.Seconds()})(w, r)
	})
	first := gateway.Ask(t, "renewed")
	service.Set(harness.Sequence(harness.Status(http.StatusForbidden), harness.Status(http.StatusServiceUnavailable)))
	for len(gateway.Token.CallsOf("renewed")) < 2 && time.Since(first.AnsweredAt) < lifetime {
		serve(t, gateway, "renewed")
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(time.Until(first.AnsweredAt.Add(lifetime)))
	for range 3 {
		if got := serve(t, gateway, "renewed"); got != servedDenied {
			t.Errorf("after a refused renewal and the token's end, a request got %s", got)
		}
	}
	if calls := len(gateway.Token.CallsOf("renewed")); calls < 3 {
		t.Errorf("%d calls, want one for the token, one for its renewal, and more", calls)
	}
}
