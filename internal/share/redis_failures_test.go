package share

import (
	"strings"
	"testing"
	"time"

	"token-fetch/internal/redistest"
	"token-fetch/internal/token"
)

// keyAt is one of the keys of the fleet's common token, as redis-cli takes it.
func keyAt(number int) string {
	return (&Redis{Prefix: "test:"}).keys(keyOf(token.Key{1}, nil))[number-1]
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not there after 60 s", what)
		}
	}
}

// Whatever Redis does, requests are served by the token service, none later than the call's timeout and the call itself.
func TestRedisFailures(t *testing.T) {
	tests := map[string]struct {
		options []string
		address Connection
		prepare func(t *testing.T, redis *redistest.Server)
		log     string // what every gateway's log says first
		calls   int64  // of three gateways; 0: any number
	}{
		"stopped":         {prepare: func(_ *testing.T, r *redistest.Server) { r.Stop() }, log: "can't be reached", calls: 3},
		"hanging":         {prepare: func(_ *testing.T, r *redistest.Server) { r.Send("DEBUG", "SLEEP", "10") }, options: []string{"--enable-debug-command", "yes"}, log: "can't be reached", calls: 3},
		"other password":  {options: []string{"--requirepass", "right"}, address: Connection{Password: "wrong"}, log: "NOAUTH", calls: 3},
		"no password":     {options: []string{"--requirepass", "right"}, log: "NOAUTH", calls: 3},
		"right password":  {options: []string{"--requirepass", "right"}, address: Connection{Password: "right"}, calls: 1},
		"out of memory":   {options: []string{"--maxmemory", "1mb", "--maxmemory-policy", "noeviction"}, log: "OOM"},
		"read-only":       {options: []string{"--min-replicas-to-write", "1"}, log: "NOREPLICAS", calls: 3},
		"record of lists": {prepare: func(_ *testing.T, r *redistest.Server) { r.Do("RPUSH", keyAt(1), "rubbish") }, calls: 1},
		"record is junk":  {prepare: func(_ *testing.T, r *redistest.Server) { r.Do("SET", keyAt(1), "rubbish", "PX", "60000") }, log: "not one of token-fetch", calls: 1},
		"junk for ever":   {prepare: func(_ *testing.T, r *redistest.Server) { r.Do("SET", keyAt(1), "rubbish") }, calls: 1},
		"huge record": {prepare: func(_ *testing.T, r *redistest.Server) {
			r.Do("SET", keyAt(1), strings.Repeat("x", 2<<20), "PX", "60000")
		}, log: "not a reply"},
		"lease for ever":    {prepare: func(_ *testing.T, r *redistest.Server) { r.Do("SET", keyAt(3), "rubbish") }, calls: 1},
		"lease for hours":   {prepare: func(_ *testing.T, r *redistest.Server) { r.Do("SET", keyAt(3), "rubbish", "PX", "7200000") }, calls: 1},
		"failing for hours": {prepare: func(_ *testing.T, r *redistest.Server) { r.Do("SET", keyAt(4), "unavailable-1", "PX", "7200000") }, calls: 3},
		"failing for ever":  {prepare: func(_ *testing.T, r *redistest.Server) { r.Do("SET", keyAt(4), "unavailable-1") }, calls: 1},
		"an unknown word":   {prepare: func(_ *testing.T, r *redistest.Server) { r.Do("SET", keyAt(4), "rubbish", "PX", "60000") }, calls: 3},
		"counter is junk":   {prepare: func(_ *testing.T, r *redistest.Server) { r.Do("SET", keyAt(5), "rubbish") }, calls: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := redistest.Start(t, tt.options...)
			if tt.prepare != nil {
				tt.prepare(t, redis)
			}
			if name == "hanging" {
				time.Sleep(50 * time.Millisecond) // until it hangs, which no event tells
			}
			s := &service{lifetime: time.Minute, takes: 10 * time.Millisecond}
			fleet := startFleet(t, redis.Address, fleetOptions{gateways: 3, address: tt.address, service: s})
			for number, a := range askAll(fleet) {
				if a.err != nil || a.token == "" {
					t.Errorf("gateway %d: got the error %v, expected a token", number, a.err)
				}
				if a.took > 2*realTimeout {
					t.Errorf("gateway %d: waited for %s, expected at most %s", number, a.took, 2*realTimeout)
				}
			}
			if calls := s.calls.Load(); tt.calls != 0 && calls != tt.calls {
				t.Errorf("got %d calls, expected %d", calls, tt.calls)
			}
			checkLog(t, fleet, tt.log)
		})
	}
}

func checkLog(t *testing.T, fleet []*gateway, want string) {
	t.Helper()
	told := 0
	for _, g := range fleet {
		g.mu.Lock()
		lines := strings.Join(g.lines, "\n")
		g.mu.Unlock()
		if strings.Contains(lines, want) && lines != "" {
			told++
		}
		if want == "" && lines != "" {
			t.Errorf("got the log %q, expected none", lines)
		}
	}
	if want != "" && told == 0 {
		t.Errorf("no gateway's log has %q; the last one has %q", want, fleet[len(fleet)-1].lines)
	}
}

// All that is kept has an end.
func TestKeysHaveAnEnd(t *testing.T) {
	redis := redistest.Start(t)
	s := &service{lifetime: time.Minute, takes: time.Millisecond}
	fleet := startFleet(t, redis.Address, fleetOptions{gateways: 2, service: s, key: testKey})
	checkAnswers(t, askAll(fleet))
	fleet[0].post(func() {
		fleet[0].cache.Reject(fleet[0].cache.Common(), fleet[0].cache.Common().Fresh(fleet[0].Monotonic()).ID)
	})
	s.failing.Store(true)
	waitFor(t, "the token in Redis", func() bool { return redis.Do("EXISTS", keyAt(1)) == ":1" })
	for number := 1; number <= keysPerToken; number++ {
		if left := redis.Do("PTTL", keyAt(number)); left == ":-1" {
			t.Errorf("key %d: got no end, expected one", number)
		}
	}
	if text := redis.Do("GET", keyAt(1)); strings.Contains(text, "token-1") {
		t.Errorf("got the token itself in Redis, expected it sealed: %q", text)
	}
}
