package share

import (
	"strings"
	"testing"
	"time"

	"token-fetch/internal/cache"
	"token-fetch/internal/token"
)

// exploration is one run of events on one worker of two, with two requests that need the same token. It looks at what
// requests are told, and at calls.
type exploration struct {
	t        *testing.T
	worker   *worker
	peer     *worker
	caller   token.Caller // whose token it is; nil: it is the same for all
	theirs   *fakeFetch   // the peer's, if it is under way
	events   []string
	requests [2]*request
	replies  [2]cache.Reply
	asked    [2]bool
	left     [2]bool
	open     *fakeFetch // the worker's call
	seen     int        // of its calls
	failed   bool       // a call has
	second   bool       // another caller has been served
	rejected token.ID   // the first token that the worker's upstream has rejected
}

// steps are the events. Each reports whether it can happen now.
var steps = map[string]func(*exploration) bool{
	"first asks":   func(x *exploration) bool { return x.ask(0) },
	"second asks":  func(x *exploration) bool { return x.ask(1) },
	"first leaves": func(x *exploration) bool { return x.leave(0) },
	"turn":         func(x *exploration) bool { x.worker.Scheduler.RunBatch(); return true },
	"token":        func(x *exploration) bool { return x.end(good("t", 10*time.Second)) },
	"no lifetime":  func(x *exploration) bool { return x.end(good("t", 0)) },
	"refusal":      func(x *exploration) bool { return x.end(refusal()) },
	"no service":   func(x *exploration) bool { return x.end(unavailable()) },
	"time passes":  func(x *exploration) bool { x.worker.clock.pass(patience); return true },
	"tick": func(x *exploration) bool {
		x.worker.Tick(x.worker.clock.Monotonic(), x.worker.clock.Wall())
		x.worker.watch()
		return true
	},
	"late result": func(x *exploration) bool { return x.late() },

	"the other worker begins":   func(x *exploration) bool { return x.begin() },
	"its token":                 func(x *exploration) bool { return x.endTheirs(good("theirs", 10*time.Second)) },
	"its refusal":               func(x *exploration) bool { return x.endTheirs(refusal()) },
	"it finds no service":       func(x *exploration) bool { return x.endTheirs(unavailable()) },
	"it serves a second caller": func(x *exploration) bool { return x.serveSecond() },
	"its upstream rejects":      func(x *exploration) bool { return x.reject(x.peer) },
	"the upstream rejects":      func(x *exploration) bool { return x.reject(x.worker) },
}

func (x *exploration) ask(i int) bool {
	if x.asked[i] {
		return false
	}
	x.asked[i] = true
	x.requests[i], x.replies[i] = x.worker.askFor(x.caller)
	if got := x.replies[i].Token; got != nil && got.ID == x.rejected && !x.failed {
		x.fatalf("request %d: got the rejected token, expected it only where a new one is not to be had", i)
	}
	return true
}

func (x *exploration) leave(i int) bool {
	if !x.asked[i] || x.left[i] || x.requests[i].told > 0 || !x.replies[i].Waiting {
		return false
	}
	x.left[i] = true
	x.replies[i].Ticket.Cancel()
	return true
}

// call is the worker's call that is under way.
func (x *exploration) call() *fakeFetch {
	for ; x.seen < len(x.worker.fetches); x.seen++ {
		if x.open != nil {
			x.fatalf("two calls at once, expected one")
		}
		x.open = x.worker.fetches[x.seen]
	}
	return x.open
}

func (x *exploration) end(r result) bool {
	call := x.call()
	if call == nil {
		return false
	}
	x.open = nil
	x.failed = x.failed || r.err != nil
	call.done(r)
	return true
}

// late is a second result of the first call.
func (x *exploration) late() bool {
	if x.seen == 0 || x.seen == 1 && x.open != nil {
		return false
	}
	x.worker.fetches[0].done(good("late", 10*time.Second))
	return true
}

// begin has the other worker ask for the token, and begin a fetch unless it leaves it to the first.
func (x *exploration) begin() bool {
	if x.theirs != nil {
		return false
	}
	before := len(x.peer.fetches)
	if _, reply := x.peer.askFor(x.caller); !reply.Waiting {
		return false
	}
	x.peer.run()
	if len(x.peer.fetches) > before {
		x.theirs = x.peer.fetches[before]
	}
	return true
}

func (x *exploration) endTheirs(r result) bool {
	if x.theirs == nil {
		return false
	}
	x.failed = x.failed || r.err != nil
	x.theirs.done(r)
	x.peer.run()
	x.theirs = nil
	return true
}

// serveSecond puts another caller's token into the same bucket of the cells.
func (x *exploration) serveSecond() bool {
	second := named("second")
	if x.caller == nil || x.second {
		return false
	}
	x.second = true
	if _, reply := x.peer.askFor(second); !reply.Waiting {
		return false
	}
	x.peer.run()
	x.peer.answer(x.t, good("of the second", 10*time.Second))
	return true
}

func (x *exploration) reject(w *worker) bool {
	e := w.Common()
	if x.caller != nil {
		e = w.find(x.caller)
	}
	if e == nil {
		return false
	}
	used := e.Fresh(w.clock.now)
	if used == nil {
		return false
	}
	w.Reject(e, used.ID)
	if w == x.worker && x.rejected == 0 && e.Fresh(w.clock.now) == nil {
		x.rejected = used.ID
	}
	return true
}

func newExploration(t *testing.T, caller token.Caller) *exploration {
	clock, cells := newFakeClock(), newFakeCells()
	if caller == nil {
		return &exploration{t: t, worker: newPeer(defaults(), clock, cells), peer: newPeer(defaults(), clock, cells)}
	}
	p := defaults()
	p.MaxEntries = 1
	return &exploration{t: t, caller: caller, worker: newSharingWorker(p, clock, cells), peer: newSharingWorker(p, clock, cells)}
}

// play runs events on a fresh pair of workers; false when the last of them can't happen.
func play(t *testing.T, caller token.Caller, events []string) (*exploration, bool) {
	x := newExploration(t, caller)
	x.events = events
	for _, event := range events {
		if !steps[event](x) {
			return x, false
		}
		x.check("")
	}
	return x, true
}

// check is what must hold at any time.
func (x *exploration) check(when string) {
	x.t.Helper()
	x.call()
	for i, r := range x.requests {
		if r == nil {
			continue
		}
		if r.told > 1 || x.left[i] && r.told > 0 || !x.replies[i].Waiting && r.told > 0 {
			x.fatalf("%srequest %d was told %d times (waiting: %v, left: %v)", when, i, r.told, x.replies[i].Waiting, x.left[i])
		}
		for _, told := range []*token.Token{r.token, x.replies[i].Token} {
			if told != nil && told.Values[0] == "of the second" {
				x.fatalf("%srequest %d has the token of another caller", when, i)
			}
		}
		if r.told == 1 && (r.token == nil) == (r.err == nil) {
			x.fatalf("%srequest %d: got token %v and error %v, expected one of them", when, i, r.token, r.err)
		}
	}
}

// finish lets all time-outs pass, after which nobody may wait any more.
func (x *exploration) finish() {
	x.t.Helper()
	for range 3 { // for the other worker, for a fetch of its own, and to tell of it
		x.worker.run()
		x.worker.clock.pass(patience)
		x.end(result{err: &token.Error{Reason: token.NoAnswer}}) // the client gives it up
		x.worker.tick()
	}
	x.check("at the end: ")
	for i, r := range x.requests {
		if r != nil && x.replies[i].Waiting && !x.left[i] && r.told != 1 {
			x.fatalf("at the end: request %d was told %d times, expected once", i, r.told)
		}
	}
	if x.worker.source.IsWaiting() || len(x.worker.panics) > 0 {
		x.fatalf("at the end: something is under way (%v), or panicked: %v", x.worker.source.IsWaiting(), x.worker.panics)
	}
}

func (x *exploration) fatalf(format string, args ...any) {
	x.t.Helper()
	x.t.Fatalf("after "+strings.Join(x.events, ", ")+": "+format, args...)
}

// TestAllOrdersOfEvents explores every order of up to six events.
func TestAllOrdersOfEvents(t *testing.T) {
	for name, caller := range map[string]token.Caller{"one token for all": nil, "a token for each caller": named("first")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			exploreAll(t, caller)
		})
	}
}

func exploreAll(t *testing.T, caller token.Caller) {
	most := 6
	if testing.Short() {
		most = 4
	}
	runs := 0
	var extend func(events []string)
	extend = func(events []string) {
		x, possible := play(t, caller, events)
		if !possible {
			return
		}
		runs++
		x.finish()
		if len(events) == most {
			return
		}
		for event := range steps {
			if repeated := len(events) > 0 && events[len(events)-1] == event; repeated && (event == "tick" || event == "turn") {
				continue // the second does nothing
			}
			extend(append(events[:len(events):len(events)], event))
		}
	}
	extend(nil)
	t.Logf("%d orders of events", runs)
}
