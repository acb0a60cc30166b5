// Package share lets workers and gateways share tokens: of all that use the same Store, one calls the token service and
// the others take its result. Source wraps another token.Source. It owns the only lease protocol.
//
//	cache ──▶ Source ──▶ Source ──▶ client          the workers of a gateway share through its shared data,
//	            │           │                        and gateways through Redis behind that
//	            ▼           ▼
//	       SharedData     Redis
//
// What must stay true, and the tests that say so:
//
//   - One call per key, however many ask at once: TestStores, TestFourWorkersAtRandom; with real processes
//     TestFleetSharesTokens.
//   - If the lease holder dies, the others wait until the lease lapses, and no longer than PeerTimeout:
//     TestFetchThatIsElsewhere, TestLeaderThatNeverEnds; with real processes TestFleetOutlivesGateway.
//   - A token that is due is renewed by one while the others keep using it: TestStores, TestRenewalForAllWorkers.
//   - A failure, including its Retry-After, applies to all: TestStores, TestOneWorkerTriesForAll.
//   - Rejections are spaced across all of them: TestStores, TestRejectionsInTwoWorkersAreSpaced.
//   - Tokens that must not be cached are fetched directly by everyone: TestStores, TestTokensThatAreNotKept.
//   - Whatever another plugin writes to shared data, a record is either authentic or ignored:
//     TestRecordsThatOthersHaveMade.
//   - A store never makes things worse: whatever it answers, if anything, a token arrives at most one PeerTimeout later
//     than without it: TestStoreThatNeverAnswers, TestRedisFailures.
package share

import (
	"container/list"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"token-fetch/internal/token"
)

// Options configure a Source.
type Options struct {
	Clock    token.Clock
	Identity token.Key // of everything that tokens depend on except the caller
	Backoff  time.Duration
	// Lease is how long a lease lasts unless extended: short, so that others do not wait long for a holder that has
	// died, yet long enough for a worker that is busy.
	Lease time.Duration
	// FetchTimeout bounds a fetch by the inner Source. A lease that could lapse earlier is extended.
	FetchTimeout  time.Duration
	PeerTimeout   time.Duration // for a peer's call, and for the store to answer
	IsSynchronous bool          // the store answers before the call to it returns
	PollInterval  time.Duration // between two looks while a peer is fetching
	// EarliestRenewal is how long before its end a token with that lifetime is due for renewal; 0: never.
	EarliestRenewal func(lifetime time.Duration) time.Duration
	// PollSoon is called when Tick needs to run every few milliseconds.
	PollSoon func()
}

// Source obtains tokens from the store or, failing that, from the inner Source.
type Source struct {
	store Store
	inner token.Source
	Options

	active list.List // fetches that Tick must look after, least recently served first
	calls  list.List // fetches that only wait for the inner Source
	// isUncacheable: the latest token must not be cached, so sharing is pointless.
	isUncacheable bool
}

var _ token.Peeker = (*Source)(nil)

// New wraps inner.
func New(store Store, inner token.Source, options Options) *Source {
	return &Source{store: store, inner: inner, Options: options}
}

// MaxFetchTime bounds a Fetch: waiting for a peer, then calling.
func (s *Source) MaxFetchTime() time.Duration { return s.PeerTimeout + s.FetchTimeout }

// Fetch takes the token from the store or, if no one has one, from the inner Source.
func (s *Source) Fetch(q token.Query, done func(token.Token, *token.Error)) {
	if s.isUncacheable {
		s.inner.Fetch(q, func(t token.Token, err *token.Error) {
			s.noteLifetime(t, err)
			done(t, err)
		})
		return
	}
	now := s.Clock.Monotonic()
	f := &fetch{source: s, query: q, done: done, key: keyOf(s.Identity, q.Caller), owner: newOwner(), deadline: now + s.PeerTimeout}
	f.moveTo(&s.active)
	f.look(now)
	if f.list == &s.active {
		s.PollSoon()
	}
}

// Peek implements token.Peeker: it returns what the store has. It works with synchronous stores only.
func (s *Source) Peek(caller token.Caller) (t token.Token, isRejected, ok bool) {
	if !s.IsSynchronous || s.isUncacheable {
		return t, false, false
	}
	s.store.Look(keyOf(s.Identity, caller), LookRequest{Owner: newOwner()}, func(found LookResult, err error) {
		switch {
		case err != nil:
		case found.Status == TokenFound:
			t, ok = found.Token, true
		case found.Fallback != nil:
			t, isRejected, ok = *found.Fallback, true, true
		}
	})
	t.IsShared = true
	return t, isRejected, ok
}

func (s *Source) noteLifetime(t token.Token, err *token.Error) {
	if err == nil {
		s.isUncacheable = t.Lifetime <= 0
	}
}

// tickBudget limits how long a Tick keeps starting calls. Signing one takes milliseconds, during which the worker
// serves nothing else.
const tickBudget = 5 * time.Millisecond

// Tick looks again for what peers are fetching, and times out what takes too long. Call it about ten times a second,
// and every few milliseconds while IsWaiting. It acts on at most limit fetches, each of which may make a call, and
// returns how much of the limit is left: 0 also once tickBudget is spent. The rest is up to the next Tick.
func (s *Source) Tick(now time.Duration, limit int) (left int) {
	left = limit
	for element := s.active.Front(); element != nil && left > 0; {
		f, next := element.Value.(*fetch), element.Next()
		if f.tick(now) {
			s.active.MoveToBack(element) // no effect if it has left the list
			left--
			if s.Clock.Monotonic() >= now+tickBudget {
				return 0
			}
		}
		element = next
	}
	return left
}

// IsWaiting reports whether Tick has fetches to look after.
func (s *Source) IsWaiting() bool { return s.active.Len() > 0 }

// Close releases the leases of calls in flight, as their results will not arrive.
func (s *Source) Close() {
	for _, fetches := range []*list.List{&s.active, &s.calls} {
		for element := fetches.Front(); element != nil; element = element.Next() {
			f := element.Value.(*fetch)
			if f.state == calling && f.hasLease {
				s.store.Extend(f.key, f.claim, 0, ignore)
			}
			f.state = ended
		}
		fetches.Init()
	}
}

func ignore(error) {}

// keyOf identifies the caller's token.
func keyOf(identity token.Key, caller token.Caller) Key {
	callerKey := token.KeyOf(caller)
	return sha256.Sum256(append(identity[:], callerKey[:]...))
}

// newOwner uses crypto/rand because gateways' pseudo-random generators may be seeded alike.
func newOwner() uint64 {
	var id [8]byte
	_, _ = rand.Read(id[:])
	return binary.LittleEndian.Uint64(id[:]) | 1
}
