package cache

import (
	"strings"
	"testing"
	"time"

	"token-fetch/internal/token"
)

// exploration is one run of events on one worker of two, with two requests that need the same token.
type exploration struct {
	t         *testing.T
	worker    *worker
	colleague *worker
	caller    token.Caller // whose token it is; nil: it is the same for all
	theirs    *fakeFetch   // the colleague's, if it is under way
	events    []string
	requests  [2]*request
	replies   [2]Reply
	asked     [2]bool
	left      [2]bool
	ended     int  // fetches that were told a result
	failed    bool // a fetch has
	marked    bool // the token in use was rejected, when last looked at; and which it was
	markedID  token.ID
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
	"time passes":  func(x *exploration) bool { x.worker.clock.pass(timeout); return true },
	"tick": func(x *exploration) bool {
		x.worker.Tick(x.worker.clock.Monotonic(), x.worker.clock.Wall())
		x.worker.Scheduler.Watch()
		return true
	},
	"late result": func(x *exploration) bool { return x.late() },

	"the other worker begins":   func(x *exploration) bool { return x.begin() },
	"its token":                 func(x *exploration) bool { return x.endTheirs(good("theirs", 10*time.Second)) },
	"its refusal":               func(x *exploration) bool { return x.endTheirs(refusal()) },
	"it finds no service":       func(x *exploration) bool { return x.endTheirs(unavailable()) },
	"it serves a second caller": func(x *exploration) bool { return x.serveSecond() },
	"its upstream rejects":      func(x *exploration) bool { return x.reject(x.colleague) },
	"the upstream rejects":      func(x *exploration) bool { return x.reject(x.worker) },
}

func (x *exploration) ask(i int) bool {
	if x.asked[i] {
		return false
	}
	x.asked[i] = true
	x.requests[i], x.replies[i] = x.worker.askFor(x.caller)
	if e := x.entry(x.worker); x.replies[i].Err != nil && e != nil && e.token.serves(x.worker.clock.now) {
		x.fatalf("request %d: got %s, expected the token that there is", i, x.replies[i])
	}
	if e := x.entry(x.worker); x.replies[i].Token != nil && e.token.rejected && !x.failed {
		x.fatalf("request %d: got the rejected token, expected it only where a new one is not to be had", i)
	}
	return true
}

func (x *exploration) leave(i int) bool {
	if !x.asked[i] || x.left[i] || x.requests[i].told > 0 || !x.replies[i].Waiting {
		return false
	}
	x.left[i] = true
	x.replies[i].Place.Leave()
	return true
}

func (x *exploration) end(r result) bool {
	if x.ended == len(x.worker.fetches) {
		return false
	}
	x.ended = len(x.worker.fetches)
	x.failed = x.failed || r.err != nil
	x.worker.fetches[x.ended-1].done(r)
	return true
}

// late is a second result of a fetch, or one of a fetch before.
func (x *exploration) late() bool {
	if x.ended == 0 {
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
	before := len(x.colleague.fetches)
	if _, reply := x.colleague.askFor(x.caller); !reply.Waiting {
		return false
	}
	x.colleague.run()
	if len(x.colleague.fetches) > before {
		x.theirs = x.colleague.fetches[before]
	}
	return true
}

func (x *exploration) endTheirs(r result) bool {
	if x.theirs == nil {
		return false
	}
	x.failed = x.failed || r.err != nil
	x.theirs.done(r)
	x.colleague.run()
	x.theirs = nil
	return true
}

// serveSecond puts another caller's token into the same bucket of the store.
func (x *exploration) serveSecond() bool {
	second := named("second")
	if x.caller == nil || x.colleague.entries[second.Key()] != nil {
		return false
	}
	if _, reply := x.colleague.askFor(second); !reply.Waiting {
		return false
	}
	x.colleague.run()
	x.colleague.answer(x.t, good("of the second", 10*time.Second))
	return true
}

// entry is a worker's; nil where it has none.
func (x *exploration) entry(w *worker) *Entry {
	if x.caller == nil {
		return w.Common()
	}
	return w.entries[x.caller.Key()]
}

func (x *exploration) reject(w *worker) bool {
	e := x.entry(w)
	if e == nil || e.token == nil {
		return false
	}
	w.Reject(e, e.token.ID)
	return true
}

func newExploration(t *testing.T, caller token.Caller) *exploration {
	clock, store := newFakeClock(), newFakeStore()
	if caller == nil {
		return &exploration{t: t, worker: newColleague(defaults(), clock, store), colleague: newColleague(defaults(), clock, store)}
	}
	p := defaults()
	p.MaxEntries = 1
	return &exploration{t: t, caller: caller, worker: newSharingWorker(p, clock, store), colleague: newSharingWorker(p, clock, store)}
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
	underWay := 0
	for _, begun := range x.worker.underWay {
		if begun.entry.fetch.state == underWayState && begun.entry.fetch.number == begun.number {
			underWay++
		}
	}
	if underWay > 1 {
		x.fatalf("%s%d fetches at once, expected 1", when, underWay)
	}
	if e := x.entry(x.worker); e != nil && e.token != nil {
		if x.marked && e.token.ID == x.markedID && !e.token.rejected {
			x.fatalf("%sthe rejected token counts as a good one again", when)
		}
		x.marked, x.markedID = e.token.rejected, e.token.ID
	}
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
		x.worker.clock.pass(timeout)
		x.worker.tick()
	}
	x.check("at the end: ")
	for i, r := range x.requests {
		if r != nil && x.replies[i].Waiting && !x.left[i] && r.told != 1 {
			x.fatalf("at the end: request %d was told %d times, expected once", i, r.told)
		}
	}
	if n := x.worker.Memory.used[pending]; n != 0 || x.worker.fetching != 0 || x.worker.Scheduler.IsWatching() {
		x.fatalf("at the end: %d fetches, %d bytes pending, watching %v; expected nothing", x.worker.fetching, n, x.worker.Scheduler.IsWatching())
	}
}

func (x *exploration) fatalf(format string, args ...any) {
	x.t.Helper()
	x.t.Fatalf("after "+strings.Join(x.events, ", ")+": "+format, args...)
}

const underWayState = underWay

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
