package share

import (
	"testing"
	"time"

	"token-fetch/internal/redistest"
)

// A rejected token serves on in the whole fleet while the token service can't answer, also in a gateway that has just
// started; but none takes it for a new one.
func TestRejectedTokenWhileServiceIsDown(t *testing.T) {
	for name, key := range map[string]string{"in the clear": "", "sealed": testKey} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := redistest.Start(t)
			s := &service{lifetime: time.Minute, takes: time.Millisecond}
			fleet := startFleet(t, redis.Address, fleetOptions{gateways: 4, service: s, key: key, backoff: 3 * time.Second})
			checkAnswers(t, askAll(fleet[:3]))
			waitFor(t, "the token in Redis", func() bool { return redis.Do("EXISTS", keyAt(1)) == ":1" })
			s.failing.Store(true)
			for _, g := range fleet[:2] { // at the same time
				g.post(func() { g.cache.Reject(g.cache.Common(), g.cache.Common().Fresh(g.Monotonic()).ID) })
			}
			for number := range 3 { // the first call fails; the others must be told so
				if token := checkAnswers(t, askAll(fleet)); token != "token-1" {
					t.Errorf("request %d: got %q, expected the rejected token", number, token)
				}
			}
			if calls := s.calls.Load(); calls > 2 {
				t.Errorf("got %d calls, expected the first one and one after the rejection", calls)
			}
			if left := redis.Do("PTTL", keyAt(1)); left <= ":0" || len(left) > len(":60000") {
				t.Errorf("got %s ms until the end of the rejected token, expected that of the token", left)
			}
			s.failing.Store(false)
			waitFor(t, "a new token in all gateways that know of the rejection", func() bool {
				for _, a := range askAll([]*gateway{fleet[0], fleet[1], fleet[3]}) {
					if a.token == "token-1" || a.err != nil {
						return false
					}
				}
				return true
			})
			if calls := s.calls.Load(); calls > 4 {
				t.Errorf("got %d calls, expected few", calls)
			}
		})
	}
}
