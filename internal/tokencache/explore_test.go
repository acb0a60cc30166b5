package tokencache

import (
	"strings"
	"testing"
	"time"
)

// exploration is one run of events on one worker of two, with two requests.
type exploration struct {
	t         *testing.T
	worker    *worker
	colleague *worker
	events    []string
	requests  [2]*request
	replies   [2]Reply
	asked     [2]bool
	left      [2]bool
	ended     int // fetches that were told a result
}

// steps are the events. Each reports whether it can happen now.
var steps = map[string]func(*exploration) bool{
	"first asks":   func(x *exploration) bool { return x.ask(0) },
	"second asks":  func(x *exploration) bool { return x.ask(1) },
	"first leaves": func(x *exploration) bool { return x.leave(0) },
	"turn":         func(x *exploration) bool { x.worker.Backlog.Turn(); return true },
	"token":        func(x *exploration) bool { return x.end(good("t", 10*time.Second)) },
	"no lifetime":  func(x *exploration) bool { return x.end(good("t", 0)) },
	"refusal":      func(x *exploration) bool { return x.end(refusal()) },
	"no service":   func(x *exploration) bool { return x.end(unavailable()) },
	"time passes":  func(x *exploration) bool { x.worker.clock.pass(timeout); return true },
	"tick": func(x *exploration) bool {
		x.worker.Tick(x.worker.clock.Monotonic(), x.worker.clock.Wall())
		return true
	},
	"late result": func(x *exploration) bool { return x.late() },
	"record":      func(x *exploration) bool { return x.record() },
}

func (x *exploration) ask(i int) bool {
	if x.asked[i] {
		return false
	}
	x.asked[i] = true
	x.requests[i], x.replies[i] = x.worker.ask()
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

func (x *exploration) end(r Result) bool {
	if x.ended == len(x.worker.fetches) {
		return false
	}
	x.ended = len(x.worker.fetches)
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

// record is the other worker's: it fetches a token and shares it.
func (x *exploration) record() bool {
	if _, reply := x.colleague.ask(); !reply.Waiting {
		return false
	}
	x.colleague.run()
	x.colleague.answer(x.t, good("theirs", 10*time.Second))
	return true
}

func newExploration(t *testing.T) *exploration {
	w := newWorker(defaults())
	return &exploration{t: t, worker: w, colleague: newColleague(defaults(), w.clock, w.store)}
}

// play runs events on a fresh pair of workers; false when the last of them can't happen.
func play(t *testing.T, events []string) (*exploration, bool) {
	x := newExploration(t)
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
	for i, r := range x.requests {
		if r == nil {
			continue
		}
		if r.told > 1 || x.left[i] && r.told > 0 || !x.replies[i].Waiting && r.told > 0 {
			x.fatalf("%srequest %d was told %d times (waiting: %v, left: %v)", when, i, r.told, x.replies[i].Waiting, x.left[i])
		}
		if r.told == 1 && (r.token == nil) == (r.err == nil) {
			x.fatalf("%srequest %d: got token %v and error %v, expected one of them", when, i, r.token, r.err)
		}
	}
}

// finish lets all time-outs pass, after which nobody may wait any more.
func (x *exploration) finish() {
	x.t.Helper()
	for range 2 {
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
	if e := x.worker.Common(); e.fetch.state != idle && e.fetch.waiting() > 0 {
		x.fatalf("at the end: %d requests wait", e.fetch.waiting())
	}
}

func (x *exploration) fatalf(format string, args ...any) {
	x.t.Helper()
	x.t.Fatalf("after "+strings.Join(x.events, ", ")+": "+format, args...)
}

const underWayState = underWay

// TestAllOrdersOfEvents explores every order of up to six events.
func TestAllOrdersOfEvents(t *testing.T) {
	most := 6
	if testing.Short() {
		most = 4
	}
	runs := 0
	var extend func(events []string)
	extend = func(events []string) {
		x, possible := play(t, events)
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
