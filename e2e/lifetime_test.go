package e2e_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// kept is how long a token is kept, as far as this test tells.
type kept string

const (
	notKept   kept = "not at all"
	keptShort kept = "for 1 to 3 seconds"
	keptLong  kept = "for longer"
)

// tokenAnswer is what the token service says about one token's lifetime.
type tokenAnswer struct {
	token   string        // X-Token; an opaque one when empty
	scheme  string        // before a JWT that ends in jwtIn
	jwtIn   time.Duration // the token is a JWT, with that long to go; 0: it is the token above
	body    string
	headers []string // "Name: value"
	dates   func(now time.Time) (date, expires time.Time)
	layout  string // of the dates; http.TimeFormat when empty
}

func (a tokenAnswer) write(w http.ResponseWriter, _ *http.Request) {
	token := a.token
	switch {
	case a.jwtIn != 0:
		token = a.scheme + jwt(time.Now().Add(a.jwtIn))
	case token == "":
		token = harness.SecretMark
	}
	w.Header().Set("X-Token", token)
	for _, header := range a.headers {
		name, value, _ := strings.Cut(header, ": ")
		w.Header().Add(name, value)
	}
	if a.dates != nil {
		layout := a.layout
		if layout == "" {
			layout = http.TimeFormat
		}
		date, expires := a.dates(time.Now().UTC())
		w.Header().Set("Date", date.Format(layout))
		w.Header().Set("Expires", expires.Format(layout))
	}
	_, _ = w.Write([]byte(a.body))
}

// jwt is a token with an exp; the plugin reads it without verifying anything.
func jwt(exp time.Time) string {
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return encode(`{"alg":"none"}`) + "." + encode(fmt.Sprintf(`{"sub":"a","exp":%d}`, exp.Unix())) + "." + harness.SecretMark
}

func TestLifetimes(t *testing.T) {
	expires := func(in time.Duration) func(time.Time) (time.Time, time.Time) {
		return func(now time.Time) (time.Time, time.Time) { return now, now.Add(in) }
	}
	// long and short are the ttl, for answers that name no lifetime.
	long, short := map[string]any{"ttl": 3600, "refreshBefore": 0}, map[string]any{"ttl": 2, "refreshBefore": 0}
	start := time.Now()
	tests := []struct {
		name   string
		cache  map[string]any
		answer tokenAnswer
		want   kept
	}{
		{"nothing named, long ttl", long, tokenAnswer{}, keptLong},
		{"nothing named, short ttl", short, tokenAnswer{}, keptShort},
		{"expires_in number", long, tokenAnswer{body: `{"expires_in":2}`}, keptShort},
		{"expires_in number with a fraction", long, tokenAnswer{body: `{"expires_in":2.5}`}, keptShort},
		{"expires_in string", long, tokenAnswer{body: `{"expires_in":"2"}`}, keptShort},
		{"expires_in zero", long, tokenAnswer{body: `{"expires_in":0}`}, notKept},
		{"expires_in zero as string", long, tokenAnswer{body: `{"expires_in":"0"}`}, notKept},
		{"expires_in negative", long, tokenAnswer{body: `{"expires_in":-5}`}, notKept},
		{"expires_in absurd", short, tokenAnswer{body: `{"expires_in":1e18}`}, keptLong},
		{"expires_in absurd, all digits", short, tokenAnswer{body: `{"expires_in":1000000000000000000}`}, keptLong},
		{"expires_in absurd as string", short, tokenAnswer{body: `{"expires_in":"1e18"}`}, keptLong},
		{"expires_in beyond all numbers", short, tokenAnswer{body: `{"expires_in":1e999}`}, keptLong},
		{"expires_in absurd and negative", long, tokenAnswer{body: `{"expires_in":-1e18}`}, notKept},
		{"expires_in null", short, tokenAnswer{body: `{"expires_in":null}`}, keptShort},
		{"expires_in true", short, tokenAnswer{body: `{"expires_in":true}`}, keptShort},
		{"expires_in no number", short, tokenAnswer{body: `{"expires_in":"soon"}`}, keptShort},
		{"body that is not JSON", short, tokenAnswer{body: `{"expires_in":3600`}, keptShort},
		{"expiresInPath", map[string]any{"ttl": 3600, "refreshBefore": 0, "expiresInPath": "data.ttl"},
			tokenAnswer{body: `{"expires_in":3600,"data":{"ttl":2}}`}, keptShort},
		{"max-age", long, tokenAnswer{headers: []string{"Cache-Control: private, max-age=2"}}, keptShort},
		{"max-age long", short, tokenAnswer{headers: []string{"Cache-Control: max-age=3600"}}, keptLong},
		{"max-age zero", long, tokenAnswer{headers: []string{"Cache-Control: max-age=0"}}, notKept},
		{"max-age used up on the way", long, tokenAnswer{headers: []string{"Cache-Control: max-age=3600", "Age: 3600"}}, notKept},
		{"no-store", long, tokenAnswer{headers: []string{"Cache-Control: no-store"}}, notKept},
		{"no-cache", long, tokenAnswer{headers: []string{"Cache-Control: no-cache"}}, notKept},
		{"no-store in a second header", long, tokenAnswer{headers: []string{"Cache-Control: max-age=3600", "Cache-Control: No-Store"}}, notKept},
		{"Cache-Control without a lifetime", short, tokenAnswer{headers: []string{"Cache-Control: private"}}, keptShort},
		{"Expires", long, tokenAnswer{dates: expires(2 * time.Second)}, keptShort},
		{"Expires long", short, tokenAnswer{dates: expires(time.Hour)}, keptLong},
		{"Expires in the past", long, tokenAnswer{dates: expires(-time.Hour)}, notKept},
		{"Expires by a clock that is slow", long, tokenAnswer{dates: func(now time.Time) (time.Time, time.Time) {
			return now.Add(-time.Hour), now.Add(-time.Hour + 2*time.Second)
		}}, keptShort},
		{"Expires zero", long, tokenAnswer{headers: []string{"Expires: 0"}}, notKept},
		{"JWT", long, tokenAnswer{token: jwt(start.Add(time.Hour))}, keptLong},
		{"JWT long, after a scheme", short, tokenAnswer{token: "Bearer " + jwt(start.Add(time.Hour))}, keptLong},
		{"JWT expired", long, tokenAnswer{token: jwt(start.Add(-time.Hour))}, notKept},
		{"no JWT, but dots", short, tokenAnswer{token: "a.b.s3cr3t"}, keptShort},
		{"expires_in before Cache-Control", long, tokenAnswer{body: `{"expires_in":2}`, headers: []string{"Cache-Control: no-store"}}, keptShort},
		{"Cache-Control before Expires", long, tokenAnswer{headers: []string{"Cache-Control: max-age=2"}, dates: expires(time.Hour)}, keptShort},
		{"Expires before JWT", long, tokenAnswer{token: jwt(start.Add(time.Hour)), dates: expires(2 * time.Second)}, keptShort},
		{"JWT expired, whatever is said beside it", long, tokenAnswer{token: jwt(start.Add(-time.Hour)), body: `{"expires_in":3600}`}, notKept},
		{"no longer than JWT: expires_in in milliseconds", long, tokenAnswer{jwtIn: 2 * time.Second, body: `{"expires_in":3600000}`}, keptShort},
		{"no longer than JWT: expires_in", long, tokenAnswer{jwtIn: 2 * time.Second, body: `{"expires_in":3600}`}, keptShort},
		{"no longer than JWT: after a scheme", long, tokenAnswer{scheme: "Bearer ", jwtIn: 2 * time.Second, body: `{"expires_in":"3600"}`}, keptShort},
		{"no longer than JWT: max-age", long, tokenAnswer{jwtIn: 2 * time.Second, headers: []string{"Cache-Control: max-age=3600"}}, keptShort},
		{"no longer than JWT: Expires", long, tokenAnswer{jwtIn: 2 * time.Second, dates: expires(time.Hour)}, keptShort},
		{"no longer than JWT: expired", long, tokenAnswer{jwtIn: -2 * time.Second, body: `{"expires_in":3600000}`}, notKept},
		{"no longer than JWT: shorter", long, tokenAnswer{jwtIn: time.Hour, body: `{"expires_in":2}`}, keptShort},
		{"JWT before ttl", short, tokenAnswer{token: jwt(start.Add(time.Hour))}, keptLong},
		{"maxTtl", map[string]any{"ttl": 3600, "refreshBefore": 0, "maxTtl": 2}, tokenAnswer{body: `{"expires_in":1e18}`}, keptShort},
		{"maxTtl of ttl", map[string]any{"ttl": 3600, "refreshBefore": 0, "maxTtl": 2}, tokenAnswer{}, keptShort},
		{"shorter than refreshBefore", map[string]any{"refreshBefore": 60}, tokenAnswer{body: `{"expires_in":2}`}, keptShort},
		{"shorter than the default refreshBefore", map[string]any{}, tokenAnswer{body: `{"expires_in":1}`}, keptShort},
	}
	configs := map[string]map[string]any{}
	answers := map[string]http.HandlerFunc{}
	host := func(i int) string { return fmt.Sprintf("case-%d", i) }
	for i, test := range tests {
		maps.Copy(configs, harness.CachedConfigs([]string{host(i)}, test.cache))
		answers[host(i)] = test.answer.write
	}
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(configs)})
	gateway.Token.Handle(harness.ByPath(answers, harness.Status(http.StatusTeapot)))

	var hosts []string
	for i := range tests {
		hosts = append(hosts, host(i))
	}
	got := observeLifetimes(t, gateway, hosts)
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got[host(i)] != test.want {
				t.Errorf("the token is kept %s, want %s", got[host(i)], test.want)
			}
		})
	}
	gateway.WaitCounter(t, "refreshes", 0)
	gateway.WaitCounter(t, "calls", len(gateway.Token.Calls()))
	gateway.WaitCounter(t, "call_failures", 0)
}

// observeLifetimes observes all hosts at the same time, as most of it is waiting; t.Parallel
// would run no more of them at once than there are processors.
func observeLifetimes(t *testing.T, gateway *harness.Gateway, hosts []string) map[string]kept {
	t.Helper()
	observed := make([]kept, len(hosts))
	var group sync.WaitGroup
	for i, host := range hosts {
		group.Go(func() { observed[i] = observeLifetime(t, gateway, host) })
	}
	group.Wait()
	byHost := map[string]kept{}
	for i, host := range hosts {
		byHost[host] = observed[i]
	}
	return byHost
}

// observeLifetime asks twice at once, and again after 3 seconds. It may be called from any goroutine.
func observeLifetime(t *testing.T, gateway *harness.Gateway, host string) kept {
	t.Helper()
	var calls []int
	for _, pause := range []time.Duration{0, 0, 3200 * time.Millisecond} {
		time.Sleep(pause)
		if result := gateway.Ask(t, host); result.Err != nil || result.Status != http.StatusOK || result.Token() == "" {
			return kept(fmt.Sprintf("so that a request was answered %d with the token %q (%v)", result.Status, result.Token(), result.Err))
		}
		calls = append(calls, len(gateway.Token.CallsOf(host)))
	}
	switch fmt.Sprint(calls) {
	case "[1 2 3]":
		return notKept
	case "[1 1 2]":
		return keptShort
	case "[1 1 1]":
		return keptLong
	default:
		return kept(fmt.Sprintf("so that after each of three requests there were %v calls", calls))
	}
}
