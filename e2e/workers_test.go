package e2e_test

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

const workers = 4

func TestWorkers(t *testing.T) {
	t.Parallel()
	configs := cachedHosts([]string{"warm", "cold", "refused", "refused-at-once", "renewed"}, map[string]any{})
	maps.Copy(configs, cachedHosts([]string{"alone"}, map[string]any{"shared": false}))
	maps.Copy(configs, cachedHosts([]string{"never-good"}, map[string]any{"backoff": 500}))
	maps.Copy(configs, cachedHosts([]string{"recovered"}, map[string]any{"backoff": 30_000}))
	maps.Copy(configs, cachedHosts([]string{"revived"}, map[string]any{"refreshBefore": 2}))
	gateway := startCached(t, harness.Options{Config: byHost(configs), Workers: workers, Drain: 2 * time.Second})
	clients := workerClients(t, gateway)
	tokens := &mint{}

	t.Run("one call serves all", func(t *testing.T) {
		gateway.Token.Handle(tokens.answer(300))
		before := settledCounters(t, gateway, counters{"calls": 0, "cache_misses": 0, "cache_hits": 0})
		for range 5 {
			for _, client := range clients {
				getBy(t, gateway, client, "warm").checkToken(t, mintedToken("warm", 1))
			}
		}
		checkCalls(t, gateway, "warm", 1)
		waitGrown(t, gateway, before, counters{"calls": 1, "cache_misses": 1, "cache_hits": 5*workers - 1})
	})

	t.Run("cold start", func(t *testing.T) {
		release := make(chan struct{})
		gateway.Token.Handle(harness.Hold(release, tokens.answer(300)))
		var requests []*parallel
		for _, client := range clients {
			requests = append(requests, sendParallel(client, requestsFor(t, gateway, "cold", 20)...))
		}
		waitActive(t, gateway, 20*workers)
		close(release)
		for _, requests := range requests {
			for _, result := range requests.wait() {
				if result.Status != http.StatusOK || result.token() == "" {
					t.Errorf("answered %d with the token %q (%v)", result.Status, result.token(), result.err)
				}
			}
		}
		checkCalls(t, gateway, "cold", 1)
	})

	t.Run("not shared", func(t *testing.T) {
		gateway.Token.Handle(tokens.answer(300))
		for range 3 {
			for i, client := range clients {
				getBy(t, gateway, client, "alone").checkToken(t, mintedToken("alone", i+1))
			}
		}
		checkCalls(t, gateway, "alone", workers)
	})

	t.Run("renewal", func(t *testing.T) {
		const (
			lifetime  = 3 * time.Second
			renewedAt = 1800 * time.Millisecond // up to a fifth of a second earlier than 1 s before the end
			callTime  = 300 * time.Millisecond  // long enough for every worker to notice that it is time
		)
		gateway.Token.Handle(harness.Delay(callTime, tokens.answer(lifetime.Seconds())))
		for _, client := range clients {
			getBy(t, gateway, client, "renewed").checkToken(t, mintedToken("renewed", 1))
		}
		before := settledCounters(t, gateway, counters{"cache_misses": 0, "denied": 0})
		load(100, 7*time.Second, func(i int) timed { return getBy(t, gateway, clients[i%workers], "renewed") })
		waitGrown(t, gateway, before, counters{"cache_misses": 0, "denied": 0})
		checkFresh(t, gateway, tokens, "renewed", lifetime)
		calls := callsOf(gateway, "renewed")
		if len(calls) < 3 {
			t.Errorf("%d calls, want at least 3", len(calls))
		}
		for i := 1; i < len(calls); i++ {
			if gap := calls[i].Time.Sub(calls[i-1].Time); gap < renewedAt-50*time.Millisecond {
				t.Errorf("two calls are only %s apart, want %s", gap, renewedAt)
			}
		}
	})

	t.Run("refused by the upstream", func(t *testing.T) {
		gateway.Token.Handle(tokens.answer(300))
		first, second := mintedToken("refused", 1), mintedToken("refused", 2)
		for _, client := range clients {
			getBy(t, gateway, client, "refused").checkToken(t, first)
		}
		gateway.Upstream.Respond(refuseToken(first))
		before := settledCounters(t, gateway, counters{"invalidated": 0})
		for _, client := range clients {
			if result := getBy(t, gateway, client, "refused"); result.Status == http.StatusOK {
				continue // this worker had noticed already
			}
			getBy(t, gateway, client, "refused").checkToken(t, second)
		}
		for _, client := range clients {
			getBy(t, gateway, client, "refused").checkToken(t, second)
		}
		checkCalls(t, gateway, "refused", 2)
		waitGrown(t, gateway, before, counters{"invalidated": 1})
	})

	// A worker that has not seen the refusal is renewing the refused token. It must not
	// give it back to the one that has, which does not wait for a call from before.
	t.Run("refused during a renewal", func(t *testing.T) {
		// Renewed 1.6 to 2 seconds after its call, if it was used in the second half of that time.
		gateway.Token.Handle(tokens.answer(4))
		first := mintedToken("revived", 1)
		called := time.Now()
		for _, client := range clients[:2] {
			getBy(t, gateway, client, "revived").checkToken(t, first)
		}
		time.Sleep(time.Until(called.Add(1200 * time.Millisecond)))
		getBy(t, gateway, clients[1], "revived").checkToken(t, first)
		release := make(chan struct{})
		gateway.Token.Handle(harness.Hold(release, tokens.answer(300)))
		waitCallsOf(t, gateway, "revived", 2)
		gateway.Upstream.Respond(refuseToken(first))
		if result := getBy(t, gateway, clients[0], "revived"); result.Status != http.StatusUnauthorized {
			t.Fatalf("answered %d, want the upstream's 401", result.Status)
		}
		waiting := sendParallel(clients[0], requestsFor(t, gateway, "revived", 1)...)
		// The first call, the other's renewal, and the first worker's for a new one.
		waitCallsOf(t, gateway, "revived", 3)
		arrived := gateway.Stat(t, "http.gateway.downstream_rq_total")
		later := sendParallel(clients[0], requestsFor(t, gateway, "revived", 1)...)
		waitStatChange(t, gateway, "http.gateway.downstream_rq_total", arrived)
		close(release)
		for _, result := range append(waiting.wait(), later.wait()...) {
			if result.Status != http.StatusOK || result.token() == first {
				t.Errorf("answered %d with the token %q, want 200 with another than %q", result.Status, result.token(), first)
			}
		}
	})

	t.Run("refused on all workers at once", func(t *testing.T) {
		const count = 20
		gateway.Token.Handle(tokens.answer(300))
		upstream := &verdicts{}
		gateway.Upstream.Respond(upstream.status)
		first := mintedToken("refused-at-once", 1)
		before := settledCounters(t, gateway, counters{"invalidated": 0})
		var requests []*parallel
		release := upstream.hold()
		gateway.Upstream.Forget()
		for _, client := range clients {
			getBy(t, gateway, client, "refused-at-once").checkToken(t, first)
			requests = append(requests, sendParallel(client, upstream.heldRequests(t, gateway, "refused-at-once", count)...))
		}
		gateway.Upstream.WaitRequests(t, (count+1)*workers)
		close(release)
		for _, requests := range requests {
			requests.wait()
		}
		for _, client := range clients {
			for _, result := range sendParallel(client, requestsFor(t, gateway, "refused-at-once", count)...).wait() {
				if result.Status != http.StatusOK || result.token() == "" || result.token() == first {
					t.Fatalf("answered %d with the token %q (%v), want 200 with another than %q", result.Status, result.token(), result.err, first)
				}
			}
		}
		waitGrown(t, gateway, before, counters{"invalidated": 1})
		checkCalls(t, gateway, "refused-at-once", 2)
	})

	t.Run("always refused by the upstream", func(t *testing.T) {
		const backoff = 500 * time.Millisecond
		gateway.Token.Handle(tokens.answer(300))
		gateway.Upstream.Respond(func(*http.Request) int { return http.StatusUnauthorized })
		// One after the other, so that no two workers learn of a refusal at the same time.
		for start := time.Now(); time.Since(start) < 4*time.Second; {
			for _, client := range clients {
				if result := getBy(t, gateway, client, "never-good"); result.Status != http.StatusUnauthorized || result.token() == "" {
					t.Fatalf("answered %d with the token %q (%v), want the upstream's 401", result.Status, result.token(), result.err)
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
		calls := callsOf(gateway, "never-good")
		if len(calls) < 3 {
			t.Errorf("%d calls, want at least 3", len(calls))
		}
		// The first token is dropped at once.
		for i := 2; i < len(calls); i++ {
			if gap := calls[i].Time.Sub(calls[i-1].Time); gap < backoff {
				t.Errorf("calls %d and %d are %s apart, want at least %s", i, i+1, gap, backoff)
			}
		}
	})

	t.Run("token service back", func(t *testing.T) {
		gateway.Upstream.Respond(func(*http.Request) int { return http.StatusOK })
		gateway.Token.Handle(harness.Status(http.StatusServiceUnavailable))
		for _, client := range clients[1:] {
			if result := getBy(t, gateway, client, "recovered"); result.Status != http.StatusInternalServerError {
				t.Errorf("answered %d, want 500", result.Status)
			}
		}
		gateway.Token.Handle(tokens.answer(300))
		getBy(t, gateway, clients[0], "recovered").checkToken(t, mintedToken("recovered", 1))
		// The others would wait for 30 seconds, but the token is there now.
		for _, client := range clients[1:] {
			for deadline := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
				result := getBy(t, gateway, client, "recovered")
				if result.Status == http.StatusOK || time.Now().After(deadline) {
					result.checkToken(t, mintedToken("recovered", 1))
					break
				}
			}
		}
		checkCalls(t, gateway, "recovered", workers)
	})

	t.Run("update", func(t *testing.T) { checkUpdates(t, gateway, tokens) })
}

// refuseToken makes an upstream that does not accept one token.
func refuseToken(token string) func(*http.Request) int {
	return func(r *http.Request) int {
		if r.Header.Get("X-Token") == token {
			return http.StatusUnauthorized
		}
		return http.StatusOK
	}
}

// waitStatChange returns once an Envoy statistic has another value.
func waitStatChange(t *testing.T, gateway *harness.Gateway, name, old string) {
	t.Helper()
	for deadline := time.Now().Add(limit); gateway.Stat(t, name) == old; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s is %s for %s", name, old, limit)
		}
	}
}

// workerClients are one client for each worker: each has one HTTP/2 connection,
// which that worker has accepted.
func workerClients(t *testing.T, gateway *harness.Gateway) []*http.Client {
	t.Helper()
	connections := make([]net.Conn, workers)
	accepted := acceptedConnections(t, gateway)
	for slices.Contains(connections, nil) {
		connection, err := net.Dial("tcp", strings.TrimPrefix(gateway.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		worker := acceptedBy(t, gateway, accepted)
		if connections[worker] != nil {
			connection.Close()
			continue
		}
		connections[worker] = connection
	}
	var clients []*http.Client
	for _, connection := range connections {
		clients = append(clients, clientOn(connection))
	}
	t.Cleanup(func() {
		for _, client := range clients {
			client.CloseIdleConnections()
		}
	})
	return clients
}

// acceptedConnections are the numbers of connections that each worker has accepted.
func acceptedConnections(t *testing.T, gateway *harness.Gateway) []int {
	t.Helper()
	accepted := make([]int, workers)
	for name, text := range gateway.Stats(t, `^listener\..*\.worker_\d+\.downstream_cx_total$`) {
		_, rest, _ := strings.Cut(name, ".worker_")
		worker, _ := strconv.Atoi(strings.TrimSuffix(rest, ".downstream_cx_total"))
		count, err := strconv.Atoi(text)
		if err != nil || worker >= workers {
			t.Fatalf("statistic %s is %q", name, text)
		}
		accepted[worker] += count
	}
	return accepted
}

// acceptedBy returns the worker that accepts one connection more, and counts it.
func acceptedBy(t *testing.T, gateway *harness.Gateway, before []int) int {
	t.Helper()
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		now := acceptedConnections(t, gateway)
		for worker := range now {
			if now[worker] > before[worker] {
				before[worker]++
				return worker
			}
		}
	}
	t.Fatalf("no worker accepted the connection within %s", limit)
	return 0
}

// clientOn is a client that has no other connection.
func clientOn(connection net.Conn) *http.Client {
	dials := make(chan net.Conn, 1)
	dials <- connection
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Client{
		Timeout: 3 * limit,
		Transport: &http.Transport{
			Protocols:          protocols,
			DisableCompression: true,
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				select {
				case connection := <-dials:
					return connection, nil
				default:
					return nil, errors.New("the only connection has been closed")
				}
			},
		},
	}
}
