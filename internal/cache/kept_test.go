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

func newKeeper() *keeper {
	k := &keeper{worker: bareWorker()}
	k.Cache = New(defaults(), k, k.deps(&Memory{}))
	return k
}

// While no call may be made, the source is asked from time to time whether another worker has been luckier.
func TestWorkerThatBacksOffTakesWhatOthersHave(t *testing.T) {
	for name, isRejected := range map[string]bool{"a good one": false, "a rejected one, which only stands in": true} {
		k := newKeeper()
		k.fetchOnce(t, unavailable())
		if _, reply := k.ask(); reply.Err == nil || k.asked != 1 {
			t.Fatalf("%s: got %s after %d questions, expected an error after one, as there is no token", name, reply, k.asked)
		}
		k.kept, k.isRejected = token.Token{Values: []string{"theirs"}, ID: 7, Lifetime: time.Minute}, isRejected
		k.clock.Pass(peekInterval - 1)
		if _, reply := k.ask(); reply.Err == nil || k.asked != 1 {
			t.Errorf("%s: got %s after %d questions, expected none before the pause is over", name, reply, k.asked)
		}
		k.clock.Pass(1)
		k.serves(t, "theirs")
		if isFresh := k.Fresh(k.Common(), k.clock.Now) != nil; isFresh == isRejected || len(k.Fetches) != 1 {
			t.Errorf("%s: got fresh %v and %d fetches, expected %v and only the first", name, isFresh, len(k.Fetches), !isRejected)
		}
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

// The next rejection counts once the pause is over, where others have decided that the first came too soon.
func TestRejectionThatOthersTakeBack(t *testing.T) {
	w := newWorker(defaults())
	same := good("one", time.Minute)
	same.Token.ID = 1
	w.fetchOnce(t, same)
	e := w.Common()
	w.Reject(e, 1)
	w.fetchOnce(t, same)
	if e.token == nil || e.token.rejected || e.rejections.count != 0 || e.rejections.ready(w.clock.Now) || !e.rejections.ready(w.clock.Now+renewRetryInterval) {
		t.Errorf("got the token %+v and the wait %+v, expected it to serve on, and rejections to count after the pause", e.token, e.rejections)
	}
}
