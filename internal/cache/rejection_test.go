package cache

import (
	"fmt"
	"testing"
	"time"

	"token-fetch/internal/token"
)

func TestRejectedByUpstream(t *testing.T) {
	w := newWorker(defaults())
	w.fetchOnce(t, good("t1", 100*time.Second))
	used := w.serves(t, "t1")
	for range 10 {
		w.Reject(w.Common(), used.ID)
	}
	if w.stats.Invalidated != 1 {
		t.Errorf("ten rejections of one token: got %d invalidations, expected 1", w.stats.Invalidated)
	}
	w.fetchOnce(t, good("t2", 100*time.Second))
	w.Reject(w.Common(), used.ID) // a slow answer to the old one
	w.serves(t, "t2")
}

// minuteOfRejections has an upstream reject every token of the workers for a minute, and
// returns how many fetches they made.
func minuteOfRejections(t *testing.T, workers ...*worker) (fetches int) {
	t.Helper()
	for range 60 * 100 {
		for i, w := range workers {
			r, reply := w.ask()
			w.run()
			token := reply.Token
			if reply.Waiting {
				w.answer(t, good(fmt.Sprintf("t%d", len(w.fetches)), time.Hour))
				token = r.token
			}
			w.Reject(w.Common(), token.ID)
			if i == 0 {
				w.clock.pass(10 * time.Millisecond)
			}
		}
	}
	for _, w := range workers {
		fetches += len(w.fetches)
	}
	return fetches
}

func TestUpstreamThatAlwaysRejects(t *testing.T) {
	// At once, then after 1, 3, 7, 15 and 31 s and a little.
	if fetches := minuteOfRejections(t, newWorker(defaults())); fetches > 8 {
		t.Errorf("a minute of rejections: got %d fetches, expected at most 8", fetches)
	}
	a := newWorker(defaults())
	b := newColleague(defaults(), a.clock, a.store)
	if fetches := minuteOfRejections(t, a, b); fetches > 8 {
		t.Errorf("a minute of rejections in two workers: got %d fetches, expected at most 8 as in one", fetches)
	}
}

// A request that its upstream answers 401 for reasons of its own must not take the token from all others while there is
// no new one.
func TestRejectedTokenServesWithoutNewOne(t *testing.T) {
	const lifetime, stale = time.Hour, time.Minute
	tests := map[string]struct {
		answer       result
		staleIfError time.Duration
		after        time.Duration // the token was issued
		serves       bool
	}{
		"the service can't answer":              {unavailable(), 0, lifetime - 1, true},
		"it can't, and the token has expired":   {unavailable(), 0, lifetime, false},
		"it can't, with staleIfError":           {unavailable(), stale, lifetime + stale - 1, true},
		"it can't, and staleIfError is over":    {unavailable(), stale, lifetime + stale, false},
		"it refuses":                            {refusal(), stale, lifetime - 1, true},
		"it refused, and the token has expired": {refusal(), stale, lifetime, false},
	}
	for name, tt := range tests {
		p := defaults()
		p.StaleIfError, p.RefreshBefore = tt.staleIfError, 0
		w := newWorker(p)
		w.fetchOnce(t, good("t1", lifetime))
		w.Reject(w.Common(), w.serves(t, "t1").ID)
		// The first request waits for a new token, as there may be one.
		if r := w.fetchOnce(t, tt.answer); r.token == nil || r.token.Values[0] != "t1" {
			t.Errorf("%s: the request that waited got %+v, expected the rejected token", name, r)
			continue
		}
		for range 10 { // within the wait after the failure
			w.Reject(w.Common(), w.serves(t, "t1").ID)
		}
		w.run()
		if len(w.fetches) != 2 || w.stats.Invalidated != 1 || w.stats.StaleServed != 11 {
			t.Errorf("%s: got %d fetches, %d invalidated, %d served stale; expected 2, 1, 11", name, len(w.fetches), w.stats.Invalidated, w.stats.StaleServed)
		}
		w.clock.pass(tt.after - 10*time.Second)
		w.askAndAnswer(tt.answer)
		w.clock.pass(10 * time.Second)
		if r := w.askAndAnswer(tt.answer); (r.token != nil) != tt.serves {
			t.Errorf("%s, %s after it was issued: got the token %v and the error %v, expected it to serve: %t", name, tt.after, r.token, r.err, tt.serves)
		}
		w.clock.pass(time.Hour)
		w.askAndAnswer(good("t2", lifetime))
		w.serves(t, "t2")
	}
}

// askAndAnswer is a request, whether it is served at once or waits, and the result of the fetch that it makes, if any.
func (w *worker) askAndAnswer(answer result) *request {
	fetches := len(w.fetches)
	r, reply := w.ask()
	if reply.Token != nil {
		r.Proceed(reply.Token)
	}
	w.run()
	if len(w.fetches) > fetches {
		w.fetches[fetches].done(answer)
		w.run()
	}
	return r
}

// While the service works, requests after a rejection get a new token: all of them the same.
func TestRequestsAfterRejection(t *testing.T) {
	p := defaults()
	p.StaleIfError, p.MaxWaiting = time.Minute, 50
	w := newWorker(p)
	w.fetchOnce(t, good("t1", time.Hour))
	used := w.serves(t, "t1")
	var waiting []*request
	for range 50 {
		w.Reject(w.Common(), used.ID)
		r, reply := w.ask()
		if !reply.Waiting {
			t.Fatalf("got %s, expected to wait for a new token", reply)
		}
		waiting = append(waiting, r)
	}
	w.serves(t, "t1") // more than may wait
	w.run()
	w.answer(t, good("t2", time.Hour))
	for i, r := range waiting {
		if r.token == nil || r.token.Values[0] != "t2" {
			t.Fatalf("request %d: got %+v, expected the new token", i, r)
		}
	}
	if len(w.fetches) != 2 || w.stats.Invalidated != 1 {
		t.Errorf("got %d fetches and %d invalidated, expected 2 and 1", len(w.fetches), w.stats.Invalidated)
	}
}

// The authorization server refuses the caller, whose token the upstream has rejected: both agree.
func TestRejectedTokenOfRefusedCaller(t *testing.T) {
	clock, store := newFakeClock(), newFakeStore()
	a, b := newSharingWorker(defaults(), clock, store), newSharingWorker(defaults(), clock, store)
	a.fetchFor(t, named("caller"), good("t1", time.Hour))
	b.askFor(named("caller"))
	for _, w := range []*worker{a, b} {
		w.Reject(w.find(named("caller")), w.find(named("caller")).token.ID)
	}
	if r := a.fetchFor(t, named("caller"), result{err: &token.Error{Reason: token.SubjectRefused}}); r.err == nil {
		t.Errorf("got %+v, expected the refusal", r)
	}
	for i, w := range []*worker{a, b} {
		if _, reply := w.askFor(named("caller")); reply.Err == nil || reply.Err.Reason != token.SubjectRefused {
			t.Errorf("worker %d, after the refusal: got %s, expected it", i, reply)
		}
	}
}

// What a caller's upstream rejects is no other caller's business.
func TestRejectionsOfOneCaller(t *testing.T) {
	p := defaults()
	p.MaxEntries = 2
	w := newPerCallerWorker(p, &Memory{})
	w.fetchFor(t, named("victim"), good("v", time.Hour))
	w.fetchFor(t, named("attacker"), good("a", time.Hour))
	for range 100 {
		if e := w.entries[named("attacker").Key()]; e.token != nil {
			w.Reject(e, e.token.ID)
		}
		if _, reply := w.askFor(named("attacker")); reply.Waiting {
			w.run()
			w.answer(t, refusal())
		}
		w.clock.pass(time.Second)
	}
	if _, reply := w.askFor(named("victim")); reply.Token == nil || reply.Token.Values[0] != "v" {
		t.Errorf("got %s, expected the token that was not rejected", reply)
	}
}

// Of two workers, one rejects the token while the service can't answer.
func TestRejectionIsShared(t *testing.T) {
	p := defaults()
	p.StaleIfError, p.RefreshBefore = time.Minute, 0
	clock, store := newFakeClock(), newFakeStore()
	a, b := newColleague(p, clock, store), newColleague(p, clock, store)
	a.fetchOnce(t, good("t1", time.Hour))
	b.serves(t, "t1")
	a.Reject(a.Common(), a.serves(t, "t1").ID)
	a.fetchOnce(t, unavailable())
	a.serves(t, "t1")

	late := newColleague(p, clock, store) // which has never had it
	if r := late.fetchOnce(t, unavailable()); r.token == nil || r.token.Values[0] != "t1" || !late.Common().token.rejected {
		t.Errorf("a worker that has just started: got %+v and the error %v, expected the rejected token", r.token, r.err)
	}

	b.Reject(b.Common(), b.serves(t, "t1").ID) // by its own view, which is older
	if n := a.stats.Invalidated + b.stats.Invalidated; n != 1 {
		t.Errorf("got %d invalidated, expected 1 in both workers", n)
	}
	for name, w := range map[string]*worker{"who rejected it": a, "who heard of it": b, "a new one": newColleague(p, clock, store)} {
		r := w.store.recordOf(w.Common())
		if r.token == nil || !r.token.rejected {
			t.Errorf("%s: got the record %+v, expected the token to be marked", name, r)
		}
	}
	clock.pass(time.Minute)
	b.askAndAnswer(good("t2", time.Hour))
	a.serves(t, "t2")
	late.serves(t, "t2")
}

func (s *fakeStore) recordOf(e *Entry) record {
	for _, data := range s.data {
		if r := bucket(data).find(&e.record); r.token != nil {
			return r
		}
	}
	return record{}
}

// Nothing that a worker does with its older view makes a rejected token a good one again.
func TestOlderViewDoesNotResurrect(t *testing.T) {
	views := map[string]func(b *worker){
		"its renewal is refused": func(b *worker) { b.answer(t, refusal()) },
		"it finds no service":    func(b *worker) { b.answer(t, unavailable()) },
		"it is closed":           func(b *worker) { b.Close() },
		"it fails":               func(b *worker) { b.answer(t, result{err: errPanic}) },
	}
	for name, act := range views {
		a, b := twoWorkers()
		a.fetchOnce(t, good("t1", 100*time.Second))
		b.serves(t, "t1")
		a.clock.pass(95 * time.Second)
		used := a.serves(t, "t1")
		b.serves(t, "t1")
		b.tick() // renews
		if len(b.fetches) != 1 {
			t.Fatalf("%s: got %d fetches, expected the renewal", name, len(b.fetches))
		}
		a.Reject(a.Common(), used.ID)
		act(b)
		if r := a.store.recordOf(a.Common()); !r.token.rejected {
			t.Errorf("%s: got the record %+v, expected the token to be marked", name, r)
		}
		if a.ask(); a.Common().token.validAt(a.clock.now) {
			t.Errorf("%s: the rejected token is a good one again in the worker that rejected it", name)
		}
	}
}
