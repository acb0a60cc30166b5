package main

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func TestSharedCallStates(t *testing.T) {
	var c sharedCall
	if !c.want() || c.want() {
		t.Error("want: expected true for the first time only")
	}
	if _, ok := (&sharedCall{}).started(0); ok {
		t.Error("started: expected not to be possible when nobody wants a call")
	}
	number, ok := c.started(10 * time.Second)
	if _, again := c.started(0); !ok || again {
		t.Error("started: expected to be possible once")
	}
	if c.want() {
		t.Error("want: expected false while a call is under way")
	}
	if c.overdue(10*time.Second-1) || !c.overdue(10*time.Second) {
		t.Error("overdue: expected at the deadline, not before")
	}
	c.ended(number)
	if c.state != idle || c.overdue(time.Hour) || c.underWay(number) {
		t.Errorf("after its end: got state %v, expected idle", c.state)
	}
}

func TestSharedCallTellsEachWaiterOnce(t *testing.T) {
	var c sharedCall
	c.want()
	first, second, third := &fakeRequest{name: "1"}, &fakeRequest{name: "2"}, &fakeRequest{name: "3"}
	places := []place{c.join(first), c.join(second), c.join(third)}
	number, _ := c.started(0)
	c.leave(places[1])
	if waiters := c.ended(number + 1); waiters != nil {
		t.Errorf("end of another call: got %v, expected nobody", waiters)
	}
	waiters := c.ended(number)
	if len(waiters) != 2 || waiters[0] != first || waiters[1] != third {
		t.Errorf("got %v, expected the first and the third, in this order", waiters)
	}
	if again := c.ended(number); again != nil {
		t.Errorf("second end: got %v, expected nobody", again)
	}
	for _, p := range places {
		c.leave(p) // of requests that were told or have left: nothing happens
	}
	if c.waiting.Len() != 0 {
		t.Errorf("waiting: got %d, expected 0", c.waiting.Len())
	}
}

func TestLateAnswerToAnOlderCall(t *testing.T) {
	var c sharedCall
	c.want()
	old, _ := c.started(0)
	c.ended(old) // its deadline has passed
	c.want()
	c.join(&fakeRequest{})
	if _, ok := c.started(0); !ok {
		t.Fatal("the next call can't be started")
	}
	if waiters := c.ended(old); waiters != nil || c.waiting.Len() != 1 {
		t.Errorf("the late answer told %d requests of the next call", len(waiters))
	}
}

// Any order of events: there is never a second call, and everybody who did not
// leave is told exactly once.
func TestAnyOrderOfEvents(t *testing.T) {
	for seed := range uint64(2000) {
		random := rand.New(rand.NewPCG(seed, 1))
		var trace []string
		var c sharedCall
		places := map[*fakeRequest]place{}
		var all []*fakeRequest
		left := map[*fakeRequest]bool{}
		underWay := 0
		tell := func(number int) {
			if waiters := c.ended(number); waiters != nil || !c.underWay(number) {
				for _, w := range waiters {
					w.proceed(&token{})
				}
			}
		}
		for range 40 {
			event := random.IntN(5)
			trace = append(trace, fmt.Sprint(event))
			switch event {
			case 0: // a request comes
				r := &fakeRequest{}
				all = append(all, r)
				places[r] = c.join(r)
				c.want()
			case 1: // a client goes
				for r, p := range places {
					if r.told == 0 && !left[r] {
						c.leave(p)
						left[r] = true
						break
					}
				}
			case 2: // the root context runs
				if number, ok := c.started(0); ok {
					if underWay != 0 {
						t.Fatalf("seed %d, events %v: a second call at once", seed, trace)
					}
					underWay = number
				}
			case 3: // the answer
				if underWay != 0 {
					tell(underWay)
					underWay = 0
				}
			case 4: // an answer to an older call
				tell(c.number - 1)
			}
		}
		if number, ok := c.started(0); ok {
			underWay = number
		}
		tell(underWay)
		for i, r := range all {
			if want := 1; r.told != want && !left[r] || left[r] && r.told != 0 {
				t.Fatalf("seed %d, events %v: request %d was told %d times (left: %v)", seed, trace, i, r.told, left[r])
			}
		}
		if c.waiting.Len() != 0 {
			t.Fatalf("seed %d, events %v: %d requests are left behind", seed, trace, c.waiting.Len())
		}
	}
}
