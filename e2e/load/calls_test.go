package load

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// TestManyCalls sends 20,000 requests, or E2E_CALLS, that each need their own token call: half of them have no cache, the
// others a new caller each. If Envoy returns an error to Go's runtime during garbage collection, the VM dies after 4,000.
func TestManyCalls(t *testing.T) {
	count := harness.Amount(t, "E2E_CALLS", 20_000, 4*streamsPerConnection) // the memory is compared with that after a quarter of them
	sink := harness.NewSink(t)
	gateway := harness.Start(t, harness.Options{
		Config: harness.ByHost(map[string]map[string]any{
			"warm":    cached("warm", nil),
			"each":    uncached(harness.TokenName, map[string]any{"timeout": 20_000}),
			"callers": callersOf(harness.TokenName, map[string]any{"timeout": 20_000}),
		}),
		WasmLog: "warn",
		Details: true,
		Sink:    sink,
	})
	gateway.Token.Handle(pathToken)
	checkLives(t, gateway)
	began, first := time.Now(), 0
	for sent := 0; sent < count && !t.Failed(); sent += streamsPerConnection {
		sink.Forget()
		gateway.Token.Forget()
		requests := newVolley(t, gateway, min(streamsPerConnection, count-sent))
		requests.sendAtOnce(t, func(i int) []string {
			if i%2 == 0 {
				return []string{"each", "/n/each"}
			}
			return []string{"callers", "/n/callers", "x-user: user-" + strconv.Itoa(sent+i)}
		})
		answers := requests.wait(t)
		checkAll(t, answers, http.StatusOK, "")
		checkTokens(t, sink, len(answers))
		if first == 0 && sent >= count/4 {
			first = gateway.MemoryKB(t)
		}
	}
	gateway.WaitCounter(t, "calls", count+1) // and that of the host "warm"
	checkLives(t, gateway)
	measured := fmt.Sprintf("%d in %s, memory %d MB after a quarter of them and %d MB at the end",
		count, time.Since(began).Round(time.Second), first/1024, gateway.MemoryKB(t)/1024)
	t.Log(measured)
	t.Attr("calls", measured) // for make test-matrix
}

// checkTokens checks that all requests reached the upstream, each with its token.
func checkTokens(t *testing.T, sink *harness.Sink, count int) {
	t.Helper()
	arrivals := sink.Arrivals()
	if len(arrivals) != count {
		t.Errorf("%d requests reached the upstream, want %d", len(arrivals), count)
	}
	for _, arrival := range arrivals {
		if want := tokenOf(strings.TrimPrefix(arrival.Path, "/n/")); arrival.Token != want {
			t.Fatalf("a request for %s reached the upstream with the token %q, want %q", arrival.Path, arrival.Token, want)
		}
	}
}
