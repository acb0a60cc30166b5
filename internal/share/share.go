// Package share has workers and gateways share their tokens: of all that use the same Store, one calls the token service, and
// the others take what it got. It is a token.Source around a token.Source, and has the only lease protocol there is.
//
//	cache ──▶ Source ──▶ Source ──▶ client          the workers of a gateway share by its shared data,
//	            │           │                        and the gateways of a fleet by Redis behind that
//	            ▼           ▼
//	       SharedData     Redis
//
// What must stay true, and the tests that say so:
//
//   - One call for a key, however many ask at once: TestStores, TestFourWorkersAtRandom; with real processes TestFleetSharesTokens.
//   - Whoever holds the lease and dies holds the others up until it lapses, and nobody for longer than Wait:
//     TestFetchThatIsElsewhere, TestLeaderThatNeverEnds, TestKilledWithLease.
//   - A token that is due is renewed by one, while the others are served: TestStores, TestRenewalForAllWorkers.
//   - A failure holds for all, Retry-After in full: TestStores, TestOneWorkerTriesForAll.
//   - Rejections are spaced for all together: TestStores, TestRejectionsInTwoWorkersAreSpaced.
//   - Tokens that may not be kept are fetched by each for itself: TestStores, TestTokensThatAreNotKept.
//   - Whatever another plugin writes, a record is the owner's, or there is none: TestRecordsThatOthersHaveMade.
//   - A store makes nothing worse: whatever it does or does not answer, the token is there no later than one Wait after it
//     would have been without it: TestStoreThatNeverAnswers, TestRedisFailures.
package share

import (
	"container/list"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"token-fetch/internal/token"
)

// Options are how tokens are shared.
type Options struct {
	Clock    token.Clock
	Identity token.Key // of all that tokens depend on but their callers
	Backoff  time.Duration
	// Lease is for how long others leave the call to whoever has the lease, unless it is extended: short, so that nobody
	// waits for long for one that has died, and long enough for a worker that is busy.
	Lease time.Duration
	// Longest is what a fetch of the Source inside takes at most. Leases are extended where they could end before.
	Longest       time.Duration
	Wait          time.Duration // for another's call, and for the store
	AnswersAtOnce bool          // the store does
	Poll          time.Duration // between two looks for what another is fetching
	// EarliestRenewal is how long before its end a token of that lifetime is due for renewal; 0: never.
	EarliestRenewal func(lifetime time.Duration) time.Duration
	// Wake is called when there is something that Tick must look after every few milliseconds.
	Wake func()
}

// Source obtains tokens from others that use the store, or from the Source inside.
type Source struct {
	store  Store
	inside token.Source
	Options

	open  list.List // of the *attempt that Tick looks after; those first for which nothing was done the longest
	calls list.List // of those that only wait for the Source inside
	// keepsNothing: the latest token may not be kept, so that others could do nothing with it.
	keepsNothing bool
}

var _ token.Source = (*Source)(nil)

// New returns a Source around another.
func New(store Store, inside token.Source, options Options) *Source {
	return &Source{store: store, inside: inside, Options: options}
}

// LongestFetch is what a Fetch takes at most: it waits for another's call, and then makes its own.
func (s *Source) LongestFetch() time.Duration { return s.Wait + s.Longest }

// Fetch takes the token from the store or, when nobody has it, from the Source inside.
func (s *Source) Fetch(q token.Query, done func(token.Token, *token.Error)) {
	if s.keepsNothing {
		s.inside.Fetch(q, func(t token.Token, err *token.Error) {
			s.noteLifetime(t, err)
			done(t, err)
		})
		return
	}
	now := s.Clock.Monotonic()
	a := &attempt{source: s, query: q, done: done, key: keyOf(s.Identity, q.Caller), owner: newOwner(), giveUp: now + s.Wait}
	a.put(&s.open)
	a.look(now)
	if a.list == &s.open {
		s.Wake()
	}
}

// Kept returns a token that the store has, without a call being made: of a store that answers at once. isRejected: it only
// stands in for a new one.
func (s *Source) Kept(caller token.Caller) (t token.Token, isRejected, ok bool) {
	if !s.AnswersAtOnce || s.keepsNothing {
		return t, false, false
	}
	s.store.Look(keyOf(s.Identity, caller), Question{Owner: newOwner()}, func(f Found, err error) {
		switch {
		case err != nil:
		case f.Is == HasToken:
			t, ok = f.Token, true
		case f.StandIn != nil:
			t, isRejected, ok = *f.StandIn, true, true
		}
	})
	t.IsShared = true
	return t, isRejected, ok
}

func (s *Source) noteLifetime(t token.Token, err *token.Error) {
	if err == nil {
		s.keepsNothing = t.Lifetime <= 0
	}
}

// tickTime is for how long a Tick goes on to begin calls. One that has to be signed takes milliseconds, and the worker serves
// nobody meanwhile.
const tickTime = 5 * time.Millisecond

// Tick looks again for what others are fetching, and gives up what takes too long. It is to be called some ten times a
// second, and every few milliseconds while IsWaiting. It does at most so much at once, each of which can be a call, and
// returns how much is left of that: nothing also when it has taken long. What it has not come to is for the next.
func (s *Source) Tick(now time.Duration, most int) (left int) {
	left = most
	for element := s.open.Front(); element != nil && left > 0; {
		a, next := element.Value.(*attempt), element.Next()
		if a.tick(now) {
			s.open.MoveToBack(element) // unless it has left the list
			left--
			if s.Clock.Monotonic() >= now+tickTime {
				return 0
			}
		}
		element = next
	}
	return left
}

// IsWaiting reports whether there is something that Tick must look after.
func (s *Source) IsWaiting() bool { return s.open.Len() > 0 }

// Close gives back the leases of all calls under way, whose results nobody will be told.
func (s *Source) Close() {
	for _, attempts := range []*list.List{&s.open, &s.calls} {
		for element := attempts.Front(); element != nil; element = element.Next() {
			a := element.Value.(*attempt)
			if a.state == calling && a.hasLease {
				s.store.Extend(a.key, a.lease, 0, ignore)
			}
			a.state = ended
		}
		attempts.Init()
	}
}

func ignore(error) {}

// keyOf is the key of a token.
func keyOf(identity token.Key, caller token.Caller) Key {
	of := token.KeyOf(caller)
	return sha256.Sum256(append(identity[:], of[:]...))
}

// newOwner is random also where the pseudo-random numbers of two gateways are not.
func newOwner() uint64 {
	var id [8]byte
	_, _ = rand.Read(id[:])
	return binary.LittleEndian.Uint64(id[:]) | 1
}
