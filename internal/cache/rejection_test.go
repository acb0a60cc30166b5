package cache

import (
	"testing"
	"time"

	"token-fetch/internal/token"
)

func TestUpstreamThatAlwaysRejects(t *testing.T) {
	for name, caller := range map[string]token.Caller{"one token for all": nil, "a caller's": named("a")} {
		w := newWorker(defaults())
		if caller != nil {
			w = newPerCallerWorker(defaults(), &Memory{})
		}
		for range 60 * 100 {
			r := &request{}
			e, reply := w.Ask(caller, r)
			used := reply.Token
			if reply.Waiting {
				w.answer(t, good("t", time.Hour))
				used = r.Token
			}
			w.Reject(e, used.ID)
			w.clock.Pass(10 * time.Millisecond)
			w.tick()
		}
		if n := len(w.Fetches); n > 8 { // at once, then after 1, 3, 7, 15 and 31 s and a little
			t.Errorf("%s, a minute of rejections: got %d fetches, expected at most 8", name, n)
		}
	}
}

// A request that its upstream answers 401 for other reasons must not deprive all others of the token while there is no
// new one.
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
		if r := w.fetchOnce(t, tt.answer); r.Token == nil || r.Token.Values[0] != "t1" {
			t.Errorf("%s: the request that waited got %+v, expected the rejected token", name, r)
			continue
		}
		for range 10 { // within the wait after the failure
			w.Reject(w.Common(), w.serves(t, "t1").ID)
		}
		w.run()
		if len(w.Fetches) != 2 || w.stats.Invalidated != 1 || w.stats.StaleServed != 11 {
			t.Errorf("%s: got %d fetches, %d invalidated, %d served stale; expected 2, 1, 11", name, len(w.Fetches), w.stats.Invalidated, w.stats.StaleServed)
		}
		w.clock.Pass(tt.after - 10*time.Second)
		w.askAndAnswer(tt.answer)
		w.clock.Pass(10 * time.Second)
		if r := w.askAndAnswer(tt.answer); (r.Token != nil) != tt.serves {
			t.Errorf("%s, %s after it was issued: got the token %v and the error %v, expected it to serve: %t", name, tt.after, r.Token, r.Err, tt.serves)
		}
		w.clock.Pass(time.Hour)
		w.askAndAnswer(good("t2", lifetime))
		w.serves(t, "t2")
	}
}

// askAndAnswer is a request, whether it is served at once or waits, and the result of the fetch that it makes, if any.
func (w *worker) askAndAnswer(answer result) *request {
	fetches := len(w.Fetches)
	r, reply := w.ask()
	if reply.Token != nil {
		r.Proceed(reply.Token)
	}
	w.run()
	if len(w.Fetches) > fetches {
		w.Fetches[fetches].Done(answer)
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
		if r.Token == nil || r.Token.Values[0] != "t2" {
			t.Fatalf("request %d: got %+v, expected the new token", i, r)
		}
	}
	if len(w.Fetches) != 2 || w.stats.Invalidated != 1 {
		t.Errorf("got %d fetches and %d invalidated, expected 2 and 1", len(w.Fetches), w.stats.Invalidated)
	}
	if last := w.Fetches[1].Query; last.Have != used.ID || !last.IsRejected {
		t.Errorf("the source was asked for %+v, expected it to be told of the rejected token %d", last, used.ID)
	}
	w.Reject(w.Common(), used.ID) // a slow answer to the old one
	w.serves(t, "t2")
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
		w.clock.Pass(time.Second)
	}
	if _, reply := w.askFor(named("victim")); reply.Token == nil || reply.Token.Values[0] != "v" {
		t.Errorf("got %s, expected the token that was not rejected", reply)
	}
}
