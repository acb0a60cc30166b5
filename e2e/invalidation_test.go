package e2e_test

import (
	"maps"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

func TestInvalidation(t *testing.T) {
	tests := []struct {
		name         string // and host
		invalidateOn []int  // nil: the default
		status       int    // of the upstream
		dropped      bool
	}{
		{"401", nil, 401, true},
		{"403", nil, 403, false},
		{"500", nil, 500, false},
		{"listed", []int{403, 419}, 419, true},
		{"401-not-listed", []int{403, 419}, 401, false},
		{"empty-list", []int{}, 401, false},
	}
	configs := cachedHosts([]string{"many", "late"}, map[string]any{"backoff": 1})
	maps.Copy(configs, cachedHosts([]string{"late-not-shared"}, map[string]any{"backoff": 1, "shared": false}))
	maps.Copy(configs, cachedHosts([]string{"never-good-alone"}, map[string]any{"backoff": 300}))
	maps.Copy(configs, cachedHosts([]string{"own-reply"}, map[string]any{"invalidateOn": []int{503}}))
	for _, test := range tests {
		cache := map[string]any{}
		if test.invalidateOn != nil {
			cache["invalidateOn"] = test.invalidateOn
		}
		maps.Copy(configs, cachedHosts([]string{test.name}, cache))
	}
	gateway := startCached(t, harness.Options{Config: byHost(configs)})
	tokens := &mint{}
	gateway.Token.Handle(tokens.answer(300))
	upstream := &verdicts{}
	gateway.Upstream.Respond(upstream.status)
	invalidated := 0

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			get(t, gateway, test.name).checkToken(t, mintedToken(test.name, 1))
			refused := get(t, gateway, test.name, "X-Verdict: "+strconv.Itoa(test.status))
			if refused.Status != test.status || refused.token() != mintedToken(test.name, 1) {
				t.Errorf("answered %d with the token %q, want %d with the first", refused.Status, refused.token(), test.status)
			}
			want := 1
			if test.dropped {
				want = 2
				invalidated++
			}
			get(t, gateway, test.name).checkToken(t, mintedToken(test.name, want))
			checkCalls(t, gateway, test.name, want)
		})
	}
	gateway.WaitCounter(t, "invalidated", invalidated)

	t.Run("not by the upstream", func(t *testing.T) {
		get(t, gateway, "own-reply").checkToken(t, mintedToken("own-reply", 1))
		if result := get(t, gateway, "own-reply", "X-Verdict: abort"); result.Status != http.StatusServiceUnavailable {
			t.Errorf("answered %d (%v), want Envoy's own 503", result.Status, result.err)
		}
		get(t, gateway, "own-reply").checkToken(t, mintedToken("own-reply", 1))
	})

	t.Run("many for one token", func(t *testing.T) {
		const count = 50
		get(t, gateway, "many").checkToken(t, mintedToken("many", 1))
		for _, result := range upstream.refuseAtOnce(t, gateway, "many", count) {
			if result.Status != http.StatusUnauthorized || result.token() != mintedToken("many", 1) {
				t.Fatalf("answered %d with the token %q (%v), want 401 with the first", result.Status, result.token(), result.err)
			}
		}
		for _, result := range sendParallel(gateway.Client(), requestsFor(t, gateway, "many", count)...).wait() {
			result.checkToken(t, mintedToken("many", 2))
		}
		checkCalls(t, gateway, "many", 2)
		invalidated++
		gateway.WaitCounter(t, "invalidated", invalidated)
	})

	for _, host := range []string{"late", "late-not-shared"} {
		t.Run(host, func(t *testing.T) {
			get(t, gateway, host).checkToken(t, mintedToken(host, 1))
			release := upstream.hold()
			gateway.Upstream.Forget()
			late := sendParallel(gateway.Client(), gateway.Request(t, http.MethodGet, "/", "", "Host: "+host, "X-Verdict: hold"))
			gateway.Upstream.WaitRequests(t, 1)
			get(t, gateway, host, "X-Verdict: 401")
			get(t, gateway, host).checkToken(t, mintedToken(host, 2))
			close(release)
			if result := late.wait()[0]; result.Status != http.StatusUnauthorized || result.token() != mintedToken(host, 1) {
				t.Errorf("answered %d with the token %q, want 401 with the first", result.Status, result.token())
			}
			// The late answer was about a token that nobody has any more.
			get(t, gateway, host).checkToken(t, mintedToken(host, 2))
			checkCalls(t, gateway, host, 2)
			invalidated++
			gateway.WaitCounter(t, "invalidated", invalidated)
		})
	}

	t.Run("always", func(t *testing.T) {
		results := load(200, 4*time.Second, func(int) timed { return get(t, gateway, "never-good-alone", "X-Verdict: 401") })
		for _, result := range results {
			if result.Status != http.StatusUnauthorized || result.token() == "" {
				t.Fatalf("answered %d with the token %q (%v), want the upstream's 401", result.Status, result.token(), result.err)
			}
		}
		calls := callsOf(gateway, "never-good-alone")
		if len(calls) < 4 {
			t.Errorf("%d calls, want at least 4", len(calls))
		}
		// The first token is dropped at once.
		checkGaps(t, calls[1:], 300*time.Millisecond, 500*time.Millisecond)
		gateway.WaitCounter(t, "invalidated", invalidated+len(calls)-1)
	})
	gateway.WaitCounter(t, "calls", len(gateway.Token.Calls()))
}

// verdicts is an upstream that answers with the status in X-Verdict; "hold" is a 401
// that comes when it is released, "abort" a connection that is closed.
type verdicts struct {
	mu   sync.Mutex // guards held
	held chan struct{}
}

// hold returns the channel that releases the next held requests.
func (v *verdicts) hold() chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.held = make(chan struct{})
	return v.held
}

func (v *verdicts) status(r *http.Request) int {
	switch verdict := r.Header.Get("X-Verdict"); verdict {
	case "":
		return http.StatusOK
	case "hold":
		v.mu.Lock()
		held := v.held
		v.mu.Unlock()
		<-held
		return http.StatusUnauthorized
	case "abort":
		panic(http.ErrAbortHandler)
	default:
		status, _ := strconv.Atoi(verdict)
		return status
	}
}

// refuseAtOnce has so many requests at the upstream before it refuses them all.
func (v *verdicts) refuseAtOnce(t *testing.T, gateway *harness.Gateway, host string, count int) []timed {
	t.Helper()
	release := v.hold()
	gateway.Upstream.Forget()
	refused := sendParallel(gateway.Client(), v.heldRequests(t, gateway, host, count)...)
	gateway.Upstream.WaitRequests(t, count)
	close(release)
	return refused.wait()
}

// heldRequests will be refused when the channel of hold is closed.
func (v *verdicts) heldRequests(t *testing.T, gateway *harness.Gateway, host string, count int) []*http.Request {
	t.Helper()
	requests := requestsFor(t, gateway, host, count)
	for _, request := range requests {
		request.Header.Set("X-Verdict", "hold")
	}
	return requests
}
