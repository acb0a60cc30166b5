package load

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
	"token-fetch/e2e/page"
)

// chainOf three, whose calls have the paths name-login, name-exchange and name.
func chainOf(name string, more map[string]any) map[string]any {
	link := func(of, needs string) map[string]any {
		return map[string]any{"serviceName": harness.TokenName, "requestPath": "/" + name + "-" + of, "responseHeader": "X-Token", "timeout": 50_000, "requestHeaders": map[string]any{"X-Link": needs}}
	}
	return cached(name, harness.Merge(map[string]any{
		"timeout": 50_000, "requestHeaders": map[string]any{"X-Link": "${token.exchange}"},
		"tokens": map[string]any{"login": link("login", "x"), "exchange": link("exchange", "${token.login}")},
	}, more))
}

// TestWaitingForAChain has as many requests wait for a chain of three as may for a call, while its first link is slow, and then
// dead; and callers whose own calls take long to sign wait for a link that is everybody's.
func TestWaitingForAChain(t *testing.T) {
	const callers = 1000
	signed := harness.Merge(harness.OAuth2Config("/signed", map[string]any{"clientSecret": nil, "authStyle": "private_key_jwt", "privateKey": harness.PrivatePEM(t, "ES256"), "params": map[string]any{"link": "${token.exchange}"}}, nil),
		map[string]any{"forwardHeaders": []string{"X-User"}})
	for _, key := range []string{"serviceName", "tokens"} {
		signed[key] = chainOf("signed", nil)[key]
	}
	sink := harness.NewSink(t)
	gateway := harness.Start(t, harness.Options{WasmLog: "warn", Details: true, Sink: sink, Config: harness.ByHost(map[string]map[string]any{
		"warm": cached("warm", nil), "free": {"enabled": false}, "chain": chainOf("chain", nil), "dead": chainOf("dead", nil), "signed": signed,
	})})
	gateway.Token.Handle(pathToken)
	checkLives(t, gateway)
	for name, test := range map[string]struct {
		count  int
		answer http.HandlerFunc // of the first link
		status int
		body   string
		calls  map[string]int // by the path
		most   time.Duration  // that other requests may take
	}{
		"chain":  {waitingRequests(), pathToken, 200, "", map[string]int{"/chain-login": 1, "/chain-exchange": 1, "/chain": 1}, othersWait},
		"dead":   {waitingRequests(), harness.Reset(), 500, "http call failed", map[string]int{"/dead-login": 1}, othersWait},
		"signed": {callers, pathToken, 200, "", map[string]int{"/signed-login": 1, "/signed-exchange": 1, "/signed": callers}, burstTime},
	} {
		t.Run(name, func(t *testing.T) {
			gateway.Token.Forget()
			release := make(chan struct{})
			held := harness.Hold(release, test.answer)
			gateway.Token.Handle(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case strings.HasSuffix(r.URL.Path, "-login"):
					held(w, r)
				case r.URL.Path == "/signed":
					harness.JSON(200, map[string]any{"access_token": "t", "token_type": "Bearer", "expires_in": 3600})(w, r)
				default:
					pathToken(w, r)
				}
			})
			requests := newVolley(t, gateway, test.count)
			requests.sendInTurn(t, gateway, func(i int) []string { return []string{name, "/n/" + strconv.Itoa(i), "x-user: " + strconv.Itoa(i)} })
			probes := startProbes(t, gateway)
			released := time.Now()
			close(release)
			answers := requests.wait(t)
			first, last := span(answers)
			p50, p99 := probes.report(t, released, last)
			checkAll(t, answers, test.status, test.body)
			if most := max(test.most, last.Sub(first)/8); p50 > most {
				t.Errorf("half of the requests of other rules took more than %s, want at most %s", p50, most)
			}
			if late := first.Sub(released); late > 300*time.Millisecond+test.most {
				t.Errorf("the first request was told %s after the link's end", late)
			}
			made := map[string]int{}
			for _, call := range gateway.Token.Calls() {
				made[call.URI]++
			}
			if got, want := fmt.Sprint(made), fmt.Sprint(test.calls); got != want {
				t.Errorf("got the calls %s, want %s", got, want)
			}
			page.Tried(t, fmt.Sprintf("%d requests wait for a chain of three", test.count), "makes each call once, resumes them in batches, and serves others in between",
				fmt.Sprintf("the first %s after the slow link's end, the last %s later; requests of other rules meanwhile p50 %s, p99 %s", short(first.Sub(released)), short(last.Sub(first)), short(p50), short(p99)))
			t.Logf("the first after %s, the last %s later", first.Sub(released), last.Sub(first))
			checkLives(t, gateway)
		})
	}
}
