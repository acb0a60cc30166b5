package cache

import (
	"testing"
	"time"

	"token-fetch/internal/token"
)

// keeper is a worker whose source keeps a token that another worker has fetched.
type keeper struct {
	*worker
	kept       token.Token
	isRejected bool
	asked      int
}

func (k *keeper) Peek(token.Caller) (token.Token, bool, bool) {
	k.asked++
	return k.kept, k.isRejected, k.kept.Lifetime > 0
}

func newKeeper(policy *Policy) *keeper {
	k := &keeper{worker: &worker{clock: newFakeClock()}}
	k.Cache = New(policy, k, k.common(&Memory{}))
	return k
}

// While no call may be made, the source is asked from time to time whether another worker has been luckier.
func TestWorkerThatBacksOffTakesWhatOthersHave(t *testing.T) {
	k := newKeeper(defaults())
	k.ask()
	k.run()
	k.fetches[0].end(unavailable())
	k.run()

	if _, reply := k.ask(); reply.Err == nil {
		t.Fatalf("got %+v, expected an error: nobody has a token", reply)
	}
	asked := k.asked
	if asked == 0 {
		t.Error("the source was not asked, expected once")
	}
	k.kept = token.Token{Values: []string{"theirs"}, ID: 7, Lifetime: time.Minute}
	if _, reply := k.ask(); reply.Err == nil || k.asked != asked {
		t.Errorf("got %+v after %d questions, expected none before the pause is over", reply, k.asked-asked)
	}
	k.clock.pass(peekInterval)
	if _, reply := k.ask(); reply.Token == nil || reply.Token.Values[0] != "theirs" {
		t.Errorf("got %+v, expected the other worker's token", reply)
	}
	if len(k.fetches) != 1 {
		t.Errorf("got %d fetches, expected only the first", len(k.fetches))
	}
}

// One that the upstream has rejected only stands in.
func TestRejectedTokenThatOthersHaveStandsIn(t *testing.T) {
	k := newKeeper(defaults())
	k.ask()
	k.run()
	k.fetches[0].end(unavailable())
	k.run()
	k.kept, k.isRejected = token.Token{Values: []string{"rejected"}, ID: 7, Lifetime: time.Minute}, true
	k.clock.pass(peekInterval)
	if _, reply := k.ask(); reply.Token == nil || reply.Token.Values[0] != "rejected" {
		t.Errorf("got %+v, expected the rejected token: there is no other", reply)
	}
	if k.Common().Fresh(k.clock.now) != nil {
		t.Error("it counts as fresh, expected requests to ask for another")
	}
}

// What others know of a token that this worker has as well is taken over.
func TestMerge(t *testing.T) {
	policy, now := defaults(), time.Hour
	ours := policy.newToken(token.Token{ID: 1, Lifetime: time.Hour}, now)
	shorter := policy.newToken(token.Token{ID: 1, Lifetime: time.Minute}, now)
	for name, c := range map[string]struct {
		theirs   *stored
		rejected bool
		expires  time.Duration
	}{
		"the same":  {ours, false, ours.expiresAt},
		"rejected":  {ours.asRejected(), true, ours.expiresAt},
		"ends soon": {shorter, false, shorter.expiresAt},
	} {
		if got := ours.merge(c.theirs); got.rejected != c.rejected || got.expiresAt != c.expires {
			t.Errorf("%s: got rejected %v and the end %v, expected %v and %v", name, got.rejected, got.expiresAt, c.rejected, c.expires)
		}
	}
}

// A source that brings the token that there is has it renewed elsewhere: it is asked again soon, and not at once.
func TestRenewalThatBringsTheSameToken(t *testing.T) {
	k := newKeeper(defaults())
	k.ask()
	k.run()
	same := token.Token{Values: []string{"one"}, ID: 1, Lifetime: time.Minute}
	k.fetches[0].end(result{token: same})
	k.run()
	e := k.Common()
	k.clock.pass(e.token.refreshAt - k.clock.now)
	e.Fresh(k.clock.now)
	k.Tick(k.clock.now, k.clock.wall)
	k.run()
	if len(k.fetches) != 2 {
		t.Fatalf("got %d fetches, expected the renewal", len(k.fetches))
	}
	same.Age = k.clock.now - e.token.issuedAt
	k.fetches[1].end(result{token: same})
	k.Tick(k.clock.now, k.clock.wall)
	k.run()
	if len(k.fetches) != 2 {
		t.Errorf("got %d fetches at once, expected a pause", len(k.fetches))
	}
	k.clock.pass(2 * time.Second) // renewals are spread at random, too
	e.Fresh(k.clock.now)
	k.Tick(k.clock.now, k.clock.wall)
	k.run()
	if len(k.fetches) != 3 {
		t.Errorf("got %d fetches after the pause, expected another try", len(k.fetches))
	}
}

// The next rejection counts once the pause is over, where others have decided that the first came too soon.
func TestRejectionThatOthersTakeBack(t *testing.T) {
	k := newKeeper(defaults())
	k.ask()
	k.run()
	same := token.Token{Values: []string{"one"}, ID: 1, Lifetime: time.Minute}
	k.fetches[0].end(result{token: same})
	k.run()
	e := k.Common()
	k.Reject(e, 1)
	if _, reply := k.ask(); !reply.Waiting {
		t.Fatalf("got %+v, expected a wait for a new token", reply)
	}
	k.run()
	k.fetches[1].end(result{token: same})
	k.run()
	if e.token == nil || e.token.rejected || e.rejections.count != 0 || e.rejections.ready(k.clock.now) || !e.rejections.ready(k.clock.now+renewRetryInterval) {
		t.Errorf("got the token %+v and the wait %+v, expected it to serve on, and rejections to count after the pause", e.token, e.rejections)
	}
}

func TestEarliestRenewal(t *testing.T) {
	for lifetime, want := range map[time.Duration]time.Duration{
		time.Hour: 72 * time.Second, 100 * time.Second: 12 * time.Second, time.Second: 0, 0: 0,
	} {
		if got := defaults().EarliestRenewal(lifetime); got != want {
			t.Errorf("lifetime %v: got %v before its end, expected %v", lifetime, got, want)
		}
	}
}
