package cache

import (
	"testing"
	"time"
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
		t.Run(name, func(t *testing.T) {
			w := newWorker(defaults())
			w.fetchOnce(t, good("t1", time.Minute))
			w.clock.Date = w.clock.Date.Add(test.jump)
			w.tick()
			if _, reply := w.ask(); (reply.Token != nil) != test.serve {
				t.Errorf("after the jump: got %s, expected to be served: %v", reply, test.serve)
			}
			w.clock.Pass(time.Minute)
			if _, reply := w.ask(); reply.Token != nil {
				t.Errorf("after its end: got %s, expected no token", reply)
			}
		})
	}
}

func TestClockThatJumpsForCallers(t *testing.T) {
	w := newPerCallerWorker(defaults(), &Memory{})
	w.fetchFor(t, named("a"), good("ta", time.Minute))
	w.fetchFor(t, named("b"), good("tb", 2*time.Hour))
	w.clock.Date = w.clock.Date.Add(time.Hour)
	w.tick()
	if _, reply := w.askFor(named("a")); !reply.Waiting {
		t.Errorf("a token that ends before: got %s, expected to wait for the next", reply)
	}
	if _, reply := w.askFor(named("b")); reply.Token == nil {
		t.Errorf("a token that ends after: got %s, expected it", reply)
	}
	w.clock.Pass(time.Hour)
	if _, reply := w.askFor(named("b")); !reply.Waiting {
		t.Errorf("at its end by the new clock: got %s, expected to wait for the next", reply)
	}
}

func TestRefusedCallersAreForgotten(t *testing.T) {
	memory := &Memory{}
	w := newPerCallerWorker(defaults(), memory)
	w.fetchFor(t, named("a"), refusal())
	w.clock.Pass(MaxBackoff)
	w.tick()
	if w.entries[named("a").Key()] == nil {
		t.Error("within the longest wait: forgotten, so that the next refusal would count as the first")
	}
	w.clock.Pass(2 * time.Second)
	w.tick()
	if len(w.entries) != 0 || memory.used != [segments]int{} {
		t.Errorf("after it: got %d entries and %v bytes, expected none", len(w.entries), memory.used)
	}
}
