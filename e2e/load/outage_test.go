package load

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"token-fetch/e2e/harness"
	"token-fetch/e2e/page"
)

// defaultTimeout is the timeout of a token call, and answeredLate how much later a request that waits for
// the call may be answered: enough for a busy machine, but long before another call, begun two seconds
// after the first, would end.
const (
	defaultTimeout = 500 * time.Millisecond
	answeredLate   = 900 * time.Millisecond
)

// TestHangingTokenService has the token service hang, with default settings, under a load for
// which one call's time is enough to have hundreds of requests wait.
func TestHangingTokenService(t *testing.T) {
	const rate = 1500
	duration := 10 * time.Second
	if testing.Short() {
		duration = 3 * time.Second
	}
	count := int(duration.Seconds()) * rate
	hang := harness.Hang()
	sink := harness.NewSink(t)
	gateway := harness.Start(t, harness.Options{WasmLog: "warn", Details: true, Sink: sink, Config: harness.ByHost(map[string]map[string]any{
		"warm":  cached("warm", nil),
		"free":  {"enabled": false},
		"down":  cached("down", nil),
		"stale": cached("stale", map[string]any{"cache": map[string]any{"staleIfError": 300, "ttl": 1}}),
	})})
	gateway.Token.Handle(pathToken)
	checkLives(t, gateway)

	for _, test := range []struct {
		name, host string
		status     int
		body       string
		reach      int // how many requests reach the upstream
	}{
		{"denied", "down", http.StatusInternalServerError, "http call failed", 0},
		{"stale", "stale", http.StatusOK, "", count},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.reach > 0 {
				gateway.Token.Handle(pathToken)
				waitToken(t, gateway, sink, test.host)
				time.Sleep(1100 * time.Millisecond) // the token has expired
			}
			gateway.Token.Handle(hang)
			gateway.Token.Forget()
			sink.Forget()
			requests := newVolley(t, gateway, count)
			requests.sendSteadily(t, rate, same(test.host, "/"+test.host))
			answers := requests.wait(t)
			checkAll(t, answers, test.status, test.body)
			checkInTime(t, requests, answers)
			arrivals := sink.Arrivals()
			if len(arrivals) != test.reach {
				t.Errorf("%d requests reached the upstream, want %d", len(arrivals), test.reach)
			}
			for _, arrival := range arrivals {
				if arrival.Token != tokenOf(test.host) {
					t.Fatalf("a request reached the upstream with the token %q, want %q", arrival.Token, tokenOf(test.host))
				}
			}
			checkBackoff(t, gateway.Token.Calls())
			checkLives(t, gateway)
			gateway.Token.Handle(pathToken)
			waitToken(t, gateway, sink, test.host)
		})
	}
}

// checkInTime checks that no request waited for longer than the call may take.
func checkInTime(t *testing.T, requests *volley, answers []harness.StreamAnswer) {
	t.Helper()
	took := requests.took(answers)
	longest := percentile(took, 1)
	t.Logf("%d requests were answered in: p50 %s, p99 %s, max %s", len(took), percentile(took, 0.5), percentile(took, 0.99), longest)
	page.Tried(t, fmt.Sprintf("%d requests while the token service hangs", len(took)), "answers each with `failure`, or forwards it with the stale token, within `timeout`; makes one call at a time",
		fmt.Sprintf("p50 %s, p99 %s, max %s", short(percentile(took, 0.5)), short(percentile(took, 0.99)), short(longest)))
	if longest > defaultTimeout+answeredLate {
		t.Errorf("a request was answered after %s, want at most %s", longest, defaultTimeout+answeredLate)
	}
}

// checkBackoff checks that calls were made all the time, and each after twice the wait of the
// one before, and up to a fifth more. A busy machine may take in either of two calls late.
func checkBackoff(t *testing.T, calls []harness.Call) {
	t.Helper()
	const late = 500 * time.Millisecond
	if len(calls) < 2 {
		t.Errorf("%d token calls, want several", len(calls))
	}
	wait := time.Second
	for i := 1; i < len(calls); i++ {
		gap := calls[i].Time.Sub(calls[i-1].Time)
		if gap < defaultTimeout+wait-late || gap > defaultTimeout+wait+wait/5+late {
			t.Errorf("call %d came %s after the one before, want %s and up to a fifth of the wait more", i+1, gap, defaultTimeout+wait)
		}
		wait *= 2
	}
}
