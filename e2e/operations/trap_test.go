package operations_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"token-fetch/e2e/harness"
	"token-fetch/e2e/page"
)

// reloadLimit bounds how long a gateway may be without the plugin after its VM has died: Envoy
// waits a second before it makes a new one, and compiles nothing for it.
const reloadLimit = 3 * time.Second

// TestTraps ends the VM as no recover can prevent it: by the instruction that traps. The plugin
// can't answer then, and what becomes of the requests is up to the host.
func TestTraps(t *testing.T) {
	wasm := harness.WasmWithFaults(t)
	for _, test := range []struct {
		name   string
		fault  string
		kill   func(*testing.T, *harness.Gateway)
		reload bool
	}{
		{"request, fail closed", "request-trap", killByRequest, false},
		{"request, reload", "request-trap", killByRequest, true},
		{"answer, reload", "answer-trap", killByAnswer, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			gateway := harness.Start(t, harness.Options{
				Config:     harness.ByHost(faultyConfigs),
				Wasm:       wasm,
				Env:        map[string]string{"FAULT": test.fault},
				FailReload: test.reload,
				StreamIdle: time.Second,
			})
			vms := gateway.Stat(t, harness.ActiveVMs)
			if !test.reload {
				test.kill(t, gateway)
				checkStaysDead(t, gateway)
				return
			}
			const deaths = 3
			for range deaths {
				test.kill(t, gateway)
				checkReloaded(t, gateway)
			}
			gateway.WaitStat(t, harness.ActiveVMs, vms)
		})
	}
}

// killByRequest sends a request that ends the VM. Envoy answers it.
func killByRequest(t *testing.T, gateway *harness.Gateway) {
	t.Helper()
	answer := gateway.Post(t, "/", "body", "Host: allow", "X-Token: forged")
	harness.CheckStatus(t, answer, http.StatusServiceUnavailable)
	gateway.Upstream.CheckNotReached(t)
}

// killByAnswer ends the VM while requests wait in it. Envoy leaves them alone until its own timeout
// ends them; the dead filter then replaces the reply.
func killByAnswer(t *testing.T, gateway *harness.Gateway) {
	t.Helper()
	const waiting = 5
	release := make(chan struct{})
	gateway.Token.Handle(harness.Hold(release, harness.HeaderToken("X-Token", "token-1")))
	gateway.Token.Forget()
	var requests []*http.Request
	for range waiting {
		requests = append(requests, gateway.Request(t, http.MethodPost, "/", "body", "Host: cache-allow", "X-Token: forged"))
	}
	answers := harness.SendParallel(gateway.Client(), requests...)
	gateway.Token.WaitCalls(t, 1)
	gateway.WaitActive(t, waiting)
	close(release)
	answers.CheckStatus(t, http.StatusServiceUnavailable)
	gateway.Upstream.CheckNotReached(t)
}

// checkStaysDead checks that no request passes a dead VM, whatever the configuration says.
func checkStaysDead(t *testing.T, gateway *harness.Gateway) {
	t.Helper()
	for start := time.Now(); time.Since(start) < reloadLimit/2; time.Sleep(100 * time.Millisecond) {
		for _, host := range []string{"plain", "allow", "cache-allow", "no-overwrite", "other"} {
			answer := gateway.Get(t, "/", "Host: "+host, "X-Token: forged")
			if answer.Status != http.StatusServiceUnavailable || answer.Body != "" {
				t.Fatalf("%s was answered %d %q, want 503 without a body", host, answer.Status, answer.Body)
			}
		}
	}
	gateway.Upstream.CheckNotReached(t)
}

// checkReloaded waits for the new VM, and logs how long there was none.
func checkReloaded(t *testing.T, gateway *harness.Gateway) {
	t.Helper()
	start := time.Now()
	harness.Eventually(t, reloadLimit, func() error {
		answer := gateway.Get(t, "/", "Host: other", "X-Token: forged")
		if answer.Status == http.StatusOK {
			return nil
		}
		harness.CheckStatus(t, answer, http.StatusServiceUnavailable)
		gateway.Upstream.CheckNotReached(t)
		return errors.New("the gateway still answers 503")
	})
	t.Logf("served again after %s", time.Since(start).Round(time.Millisecond))
	page.Tried(t, "a trap ends the VM, with `FAIL_RELOAD`", "Envoy starts a new VM; until then 503",
		fmt.Sprintf("served again after %s", time.Since(start).Round(10*time.Millisecond)))
	gateway.Upstream.Forget()
}

// TestWorkerThatDies has the VM of a worker die when the answer comes that others wait for: they call themselves.
func TestWorkerThatDies(t *testing.T) {
	t.Parallel()
	const timeout = 1500 * time.Millisecond
	gateway := harness.Start(t, harness.Options{
		Workers: 2, WasmLog: "warn", Wasm: harness.WasmWithFaults(t), Env: map[string]string{"FAULT": "answer-trap"}, StreamIdle: 4 * timeout,
		Config: harness.OAuth2Config("/dies", harness.Exchange, map[string]any{"timeout": timeout.Milliseconds()}),
	})
	clients := gateway.WorkerClients(t)
	release := make(chan struct{})
	gateway.Token.Handle(harness.Hold(release, harness.ExchangeServer(3600)))
	request := func() *http.Request {
		return gateway.Request(t, http.MethodGet, "/", "", "Authorization: Bearer orphan")
	}
	harness.SendParallel(clients[0], request())
	gateway.Token.WaitCalls(t, 1)
	sent := time.Now()
	harness.SendParallel(clients[1], request())
	gateway.WaitActive(t, 2)
	close(release)
	second := gateway.Token.WaitCalls(t, 2)[1]
	if waited := second.Time.Sub(sent); waited > timeout+time.Second {
		t.Errorf("the other worker called after %s, want about %s at most", waited, timeout)
	}
}
