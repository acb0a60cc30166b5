package caching_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
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

// Both are the ttl, for answers that name no lifetime.
var (
	long  = map[string]any{"ttl": 3600, "refreshBefore": 0}
	short = map[string]any{"ttl": 2, "refreshBefore": 0}
)

// lifetimes are one answer of each kind that says how long its token lives. What each may look like is tested beside the
// code that reads it.
var lifetimes = map[string]struct {
	cache  map[string]any
	answer http.HandlerFunc
	want   kept
}{
	"nothing named, long ttl":  {long, lives(""), keptLong},
	"nothing named, short ttl": {short, lives(""), keptShort},
	"expires_in":               {long, lives(`{"expires_in":"2"}`), keptShort},
	"expires_in zero":          {long, lives(`{"expires_in":0}`), notKept},
	"expires_in absurd":        {short, lives(`{"expires_in":1e18}`), keptLong},
	"expires_in no lifetime":   {long, lives(`{"expires_in":null}`), keptLong},
	"expiresInPath":            {harness.Merge(long, map[string]any{"expiresInPath": "data.ttl"}), lives(`{"expires_in":3600,"data":{"ttl":2}}`), keptShort},
	"expiresAtPath":            {harness.Merge(long, map[string]any{"expiresAtPath": "end"}), endsIn(2500*time.Millisecond, `{"end":"%s"}`, time.RFC3339Nano), keptShort},
	"expiresAtPath, long":      {harness.Merge(short, map[string]any{"expiresAtPath": "end"}), endsIn(time.Hour, `{"end":"%s"}`, time.RFC3339Nano), keptLong},
	"expiresAtPath, over":      {harness.Merge(long, map[string]any{"expiresAtPath": "end"}), endsIn(-time.Minute, `{"end":"%s"}`, time.RFC3339Nano), notKept},
	"max-age":                  {long, lives("", "Cache-Control: private, max-age=2"), keptShort},
	"max-age long":             {short, lives("", "Cache-Control: max-age=3600"), keptLong},
	"no-store":                 {long, lives("", "Cache-Control: No-Store"), notKept},
	"ignoring no-store":        {harness.Merge(long, map[string]any{"ignoreCacheControl": true}), lives("", "Cache-Control: no-store"), keptLong},
	"Expires":                  {long, expires(0, 2*time.Second), keptShort},
	"Expires by a slow clock":  {long, expires(-time.Hour, 2*time.Second), keptShort},
	"Expires in the past":      {long, expires(0, -time.Hour), notKept},
	"JWT":                      {short, jwtFor(time.Hour, ""), keptLong},
	"JWT expired":              {long, jwtFor(-time.Hour, `{"expires_in":3600}`), notKept},
	"no longer than JWT":       {long, jwtFor(2*time.Second, `{"expires_in":3600}`), keptShort},
	"maxTtl":                   {harness.Merge(long, map[string]any{"maxTtl": 2}), lives(`{"expires_in":3600}`), keptShort},
	"shorter than renewal":     {map[string]any{}, lives(`{"expires_in":1}`), keptShort},
}

// lives answers with an opaque token, a body, and headers given as "Name: value".
func lives(body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Token", harness.SecretMark)
		for _, header := range headers {
			name, value, _ := strings.Cut(header, ": ")
			w.Header().Add(name, value)
		}
		if body != "" {
			_, _ = w.Write([]byte(body))
		}
	}
}

// endsIn puts the time of the token's end into the body.
func endsIn(in time.Duration, body, layout string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		lives(fmt.Sprintf(body, time.Now().Add(in).UTC().Format(layout)))(w, r)
	}
}

// expires dates the answer by a clock that is wrong by so much.
func expires(wrong, in time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		date := time.Now().Add(wrong).UTC()
		lives("", "Date: "+date.Format(http.TimeFormat), "Expires: "+date.Add(in).Format(http.TimeFormat))(w, r)
	}
}

func jwtFor(in time.Duration, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Token", harness.UnsignedJWT(fmt.Sprintf(`{"exp":%d}`, time.Now().Add(in).Unix())))
		_, _ = w.Write([]byte(body))
	}
}

// TestLifetimes has tokens that are kept as long as their answers say, from when their calls were made.
func TestLifetimes(t *testing.T) {
	t.Parallel()
	configs, answers := map[string]map[string]any{}, map[string]http.HandlerFunc{}
	for name, test := range lifetimes {
		maps.Copy(configs, harness.CachedConfigs([]string{harness.HostName(name)}, test.cache))
		answers[harness.HostName(name)] = test.answer
	}
	// Authorization servers have to forbid everybody else to store their answers (RFC 6749 section 5.1).
	configs["oauth2"] = harness.OAuth2Config("/oauth2", nil, map[string]any{"tokenHeader": "X-Token", "tokenPrefix": "", "cache": long})
	answers["oauth2"] = harness.Both(lives("", "Cache-Control: no-store", "Pragma: no-cache"), harness.JSON(200, `{"access_token":"t"}`))
	maps.Copy(configs, slowConfigs())
	maps.Copy(answers, slowAnswers())
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(configs)})
	gateway.Token.Handle(harness.ByPath(answers, harness.Status(http.StatusTeapot)))

	// All at the same time, as most of it is waiting.
	var group sync.WaitGroup
	var mu sync.Mutex // guards got
	got := map[string]kept{}
	for host := range answers {
		if strings.HasPrefix(host, "slow-") {
			group.Go(func() { useSlow(t, gateway, host) })
			continue
		}
		group.Go(func() {
			observed := observeLifetime(t, gateway, host)
			mu.Lock()
			defer mu.Unlock()
			got[host] = observed
		})
	}
	group.Wait()
	for name, test := range lifetimes {
		t.Run(name, func(t *testing.T) {
			if got := got[harness.HostName(name)]; got != test.want {
				t.Errorf("the token is kept %s, want %s", got, test.want)
			}
		})
	}
	t.Run("oauth2 knows no no-store", func(t *testing.T) {
		if got["oauth2"] != keptLong {
			t.Errorf("the token is kept %s, want %s", got["oauth2"], keptLong)
		}
	})
	t.Run("from the call on", func(t *testing.T) { checkSlow(t, gateway) })
	t.Run("no-store is logged once", func(t *testing.T) {
		lines := slices.DeleteFunc(strings.Split(gateway.Log(), "\n"), func(line string) bool { return !strings.Contains(line, "forbids by its Cache-Control") })
		if len(lines) != 1 {
			t.Errorf("the plugin wrote %d lines about it, want one:\n%s", len(lines), strings.Join(lines, "\n"))
		}
	})
	gateway.WaitGrowth(t, harness.Counters{}, harness.Counters{"refreshes": 0, "calls": len(gateway.Token.Calls()), "call_failures": 0})
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

// Answers of a slow service come slowStart after their call. Their tokens are as old as their calls may have it: when a token
// was made while its call was under way nobody knows.
const (
	slowStart    = 1500 * time.Millisecond
	slowLifetime = 3 * time.Second
)

func slowConfigs() map[string]map[string]any {
	return harness.CachedConfigs(slices.Collect(maps.Keys(slowAnswers())), map[string]any{"ttl": slowLifetime.Seconds(), "refreshBefore": 0})
}

func slowAnswers() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"slow-expires-in": harness.Delay(slowStart, lives(`{"expires_in":3}`)),
		"slow-max-age":    harness.Delay(slowStart, lives("", "Cache-Control: max-age=3")),
		"slow-ttl":        harness.Delay(slowStart, lives("")),
		"slow-over":       harness.Delay(slowStart, lives(`{"expires_in":1}`)),
	}
}

// useSlow asks until there is a second token. One that is over when it comes still serves the request that waited for it.
func useSlow(t *testing.T, gateway *harness.Gateway, host string) {
	for start := time.Now(); len(gateway.Token.CallsOf(host)) < 2 && time.Since(start) < harness.Limit; time.Sleep(10 * time.Millisecond) {
		gateway.Ask(t, host).CheckToken(t, harness.SecretMark)
	}
}

func checkSlow(t *testing.T, gateway *harness.Gateway) {
	for host := range slowAnswers() {
		calls := gateway.Token.CallsOf(host)
		if len(calls) != 2 {
			t.Errorf("%s: %d calls, want 2", host, len(calls))
			continue
		}
		// The service notes a call a little after it was sent.
		const early, late = 100 * time.Millisecond, 700 * time.Millisecond
		want := map[bool]time.Duration{true: slowStart, false: slowLifetime}[host == "slow-over"]
		if gap := calls[1].Time.Sub(calls[0].Time); gap < want-early || gap > want+late {
			t.Errorf("%s: the second call came %s after the first, want %s", host, gap, want)
		}
	}
}
