package cache

import (
	"testing"
	"time"

	"token-fetch/internal/token"
	"token-fetch/internal/tokentest"
)

func TestStaleIfError(t *testing.T) {
	p := defaults()
	p.StaleIfError, p.RefreshBefore = 5*time.Second, 0
	w := newWorker(p)
	w.fetchOnce(t, good("t1", 10*time.Second))
	w.clock.Pass(10 * time.Second)
	if r := w.fetchOnce(t, unavailable()); r.Token == nil || r.Token.Values[0] != "t1" {
		t.Fatalf("the request that waited: got %+v, expected the stale token", r)
	}
	w.serves(t, "t1") // within the backoff
	w.clock.Pass(3 * time.Second)
	if w.serves(t, "t1"); w.woken == 0 {
		t.Error("after the backoff: nothing was woken, expected a fetch in addition to the stale token")
	}
	w.run()
	w.answer(t, unavailable())
	w.clock.Pass(2*time.Second - 1)
	w.serves(t, "t1")
	w.clock.Pass(1)
	if _, reply := w.ask(); reply.Token != nil {
		t.Errorf("after staleIfError: got %s, expected no token", reply)
	}
	if w.stats.StaleServed != 4 {
		t.Errorf("StaleServed: got %d, expected 4", w.stats.StaleServed)
	}
}

func TestNothingIsStaleAfterARefusal(t *testing.T) {
	p := defaults()
	p.StaleIfError = time.Minute
	t.Run("when the token has expired", func(t *testing.T) {
		w := newWorker(p)
		w.fetchOnce(t, good("t1", 10*time.Second))
		w.clock.Pass(10 * time.Second)
		if r := w.fetchOnce(t, refusal()); !tokentest.FailedAs(r.Err, tokentest.ErrRefused) {
			t.Errorf("the request that waited: got %+v, expected the refusal", r)
		}
		w.clock.Pass(2 * time.Second)
		if r := w.fetchOnce(t, unavailable()); r.Token != nil {
			t.Errorf("after a later outage: got the token, expected none")
		}
	})
	t.Run("when it is still valid", func(t *testing.T) {
		w := newWorker(p)
		w.fetchOnce(t, good("t1", 10*time.Second))
		w.clock.Pass(9500 * time.Millisecond)
		w.serves(t, "t1")
		w.tick()
		w.answer(t, refusal())
		w.serves(t, "t1")
		w.clock.Pass(time.Second)
		if _, reply := w.ask(); reply.Token != nil {
			t.Errorf("after its end: got %s, expected no token", reply)
		}
		w.clock.Pass(2 * time.Second)
		if r := w.fetchOnce(t, unavailable()); r.Token != nil {
			t.Errorf("after a later outage: got the token, expected none")
		}
	})
}

func TestStaleTokenDoesNotOutliveItsSubject(t *testing.T) {
	p := defaults()
	p.StaleIfError = time.Minute
	w := newWorker(p)
	w.fetchOnce(t, result{Token: token.Token{Values: []string{"t1"}, Lifetime: 10 * time.Second, SubjectLifetime: 12 * time.Second}})
	w.clock.Pass(10 * time.Second)
	w.fetchOnce(t, unavailable())
	w.clock.Pass(2*time.Second - 1)
	w.serves(t, "t1")
	w.clock.Pass(1)
	if _, reply := w.ask(); reply.Token != nil {
		t.Errorf("after its subject's end: got %s, expected no token", reply)
	}
}

// The service answers again, if only with a refusal: what is stale must not serve any more.
func TestNothingStaleServesOnceTheServiceAnswers(t *testing.T) {
	p := defaults()
	p.StaleIfError = time.Hour
	w := newPerCallerWorker(p, &Memory{})
	w.fetchFor(t, named("revoked"), good("old", 10*time.Second))
	w.clock.Pass(20 * time.Second)
	w.fetchFor(t, named("a"), unavailable())
	w.clock.Pass(time.Minute)
	w.fetchFor(t, named("b"), refusal()) // it answers
	w.clock.Pass(10 * time.Minute)       // and has long been up
	if _, reply := w.askFor(named("revoked")); reply.Token != nil {
		t.Errorf("got %s, expected a call: the token service can answer", reply)
	}
}
