package cache

import (
	"testing"
	"time"

	"token-fetch/internal/token"
)

func TestClockThatJumps(t *testing.T) {
	tests := map[string]struct {
		jump  time.Duration
		serve bool
	}{
		"ahead past the end":      {time.Hour, false},
		"ahead, not to the end":   {30 * time.Second, true},
		"back":                    {-time.Hour, true},
		"a drift, and not a jump": {100 * time.Millisecond, true},
	}
	for name, test := range tests {
		for _, caller := range []token.Caller{nil, named("a")} {
			w := newWorker(defaults())
			if caller != nil {
				w = newPerCallerWorker(defaults(), &Memory{})
			}
			w.fetchFor(t, caller, good("t1", time.Minute))
			w.clock.Date = w.clock.Date.Add(test.jump)
			w.tick()
			if _, reply := w.askFor(caller); (reply.Token != nil) != test.serve {
				t.Errorf("%s: got %s, expected to be served: %v", name, reply, test.serve)
			}
			w.clock.Pass(time.Minute - max(test.jump, 0))
			if _, reply := w.askFor(caller); reply.Token != nil && test.jump != 100*time.Millisecond {
				t.Errorf("%s, at its end: got %s, expected no token", name, reply)
			}
		}
	}
}
