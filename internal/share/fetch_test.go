package share

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"token-fetch/internal/cache"
	"token-fetch/internal/token"
	"token-fetch/internal/tokentest"
)

// slowStore answers when the test says so.
type slowStore struct {
	looks []func(LookResult, error)
	keys  []Key // of the looks
	saved []token.Token
	// extended is how often a lease was extended, and givenBack how often one was given back.
	extended, givenBack int
	failures            []Failure
	onLook              func(done func(LookResult, error)) // answers at once, unless nil
}

func (s *slowStore) Look(k Key, _ LookRequest, done func(LookResult, error)) {
	s.looks = append(s.looks, done)
	s.keys = append(s.keys, k)
	if s.onLook != nil {
		s.onLook(done)
	}
}

func (s *slowStore) Save(_ Key, _ Claim, t token.Token, _ time.Duration, done func(error)) {
	s.saved = append(s.saved, t)
	done(nil)
}

func (s *slowStore) Fail(_ Key, _ Claim, f Failure, done func(time.Duration, error)) {
	s.failures = append(s.failures, f)
	done(0, nil)
}

func (s *slowStore) Extend(_ Key, _ Claim, until time.Duration, done func(error)) {
	if until == 0 {
		s.givenBack++
	} else {
		s.extended++
	}
	done(nil)
}

// lone is a Source around a slow store and calls that end when the test says so.
type lone struct {
	*Source
	store *slowStore
	clock *tokentest.Clock
	calls *tokentest.Source
	ended []result
	polls int // how often it asked to be polled
}

func newLone() *lone {
	l := &lone{store: &slowStore{}, clock: tokentest.NewClock()}
	l.calls = &tokentest.Source{Clock: l.clock}
	l.Source = New(l.store, l.calls, Options{
		Clock: l.clock, Backoff: time.Second, Lease: callTimeout / 2, FetchTimeout: callTimeout, PeerTimeout: callTimeout, PollInterval: poll,
		EarliestRenewal: func(time.Duration) time.Duration { return 0 }, PollSoon: func() { l.polls++ },
	})
	return l
}

func (l *lone) ask(caller token.Caller) {
	l.Fetch(token.Query{Caller: caller}, func(t token.Token, err *token.Error) { l.ended = append(l.ended, result{Token: t, Err: err}) })
}

func (l *lone) pass(d time.Duration) {
	for end := l.clock.Now + d; l.clock.Now < end; {
		l.clock.Pass(poll)
		l.Tick(l.clock.Now, cache.BatchSize)
	}
}

// A store makes nothing worse: after Wait, the Source inside is asked.
func TestStoreThatNeverAnswers(t *testing.T) {
	l := newLone()
	latest := l.clock.Now + l.MaxFetchTime()
	l.ask(nil)
	l.pass(callTimeout - poll)
	if len(l.calls.Fetches) != 0 {
		t.Fatalf("before its time: got %d calls, expected none", len(l.calls.Fetches))
	}
	l.pass(poll)
	if len(l.calls.Fetches) != 1 {
		t.Fatalf("got %d calls, expected one", len(l.calls.Fetches))
	}
	l.pass(callTimeout)
	if l.clock.Now > latest {
		t.Errorf("got a call that may last until %s, expected every fetch to end by %s", l.clock.Now, latest)
	}
	l.calls.Fetches[0].Done(good("t1", time.Minute))
	l.store.looks[0](LookResult{Status: TokenFound}, nil) // late
	if len(l.ended) != 1 || l.ended[0].Token.Values[0] != "t1" || l.IsWaiting() {
		t.Errorf("got %+v, expected the token once, and nothing to wait for", l.ended)
	}
}

func TestStoreThatFails(t *testing.T) {
	l := newLone()
	l.ask(nil)
	l.store.looks[0](LookResult{}, errors.New("down"))
	if len(l.calls.Fetches) != 1 {
		t.Fatalf("got %d calls, expected one", len(l.calls.Fetches))
	}
	l.calls.Fetches[0].Done(good("t1", time.Minute))
	if len(l.ended) != 1 || len(l.store.saved) != 0 {
		t.Errorf("got %d results, %d saved; expected the token, and nothing to be saved for others", len(l.ended), len(l.store.saved))
	}
}

// A lease that comes late is used all the same, as others leave the call to who has it.
func TestLeaseThatComesLate(t *testing.T) {
	l := newLone()
	l.ask(nil)
	l.pass(callTimeout)
	l.store.looks[0](LookResult{Status: LeaseGranted, Claim: Claim{Owner: 1}}, nil)
	l.calls.Fetches[0].Done(result{Err: &token.Error{Reason: token.NotSent}})
	if l.store.givenBack != 1 {
		t.Errorf("the lease was given back %d times, expected once", l.store.givenBack)
	}
}

// A fetch needs ticks only while there is something to do in them.
func TestFetchNeedsTicks(t *testing.T) {
	for name, test := range map[string]struct {
		lease                time.Duration
		found                LookResult
		isAtOnce, needsTicks bool
	}{
		"the store has not answered":      {callTimeout, LookResult{}, false, true},
		"another calls":                   {callTimeout, LookResult{Status: LeaseHeld}, true, true},
		"a call that its lease outlasts":  {callTimeout, LookResult{Status: LeaseGranted, Claim: Claim{Owner: 1}}, true, false},
		"a call that outlasts its lease":  {callTimeout / 2, LookResult{Status: LeaseGranted, Claim: Claim{Owner: 1}}, true, true},
		"a token":                         {callTimeout, LookResult{Status: TokenFound}, true, false},
		"a token that must not be cached": {callTimeout, LookResult{Status: Uncacheable}, true, false},
	} {
		l := newLone()
		l.Lease = test.lease
		if test.isAtOnce {
			l.store.onLook = func(done func(LookResult, error)) { done(test.found, nil) }
		}
		l.ask(nil)
		if l.IsWaiting() != test.needsTicks || (l.polls > 0) != test.needsTicks {
			t.Errorf("%s: got waiting %t after %d requests to be polled, expected %t", name, l.IsWaiting(), l.polls, test.needsTicks)
		}
	}
}

// A token from a Source that shares as well keeps its ID, by which others reject it.
func TestSharedTokenKeepsItsID(t *testing.T) {
	l := newLone()
	l.ask(nil)
	l.store.looks[0](LookResult{Status: LeaseGranted, Claim: Claim{Owner: 1}}, nil)
	l.calls.Fetches[0].Done(result{Token: token.Token{Values: []string{"t1"}, Lifetime: time.Minute, ID: 7}})
	if len(l.store.saved) != 1 || l.store.saved[0].ID != 7 || l.ended[0].Token.ID != 7 {
		t.Errorf("got %+v saved and %+v handed out, expected both with ID 7", l.store.saved, l.ended[0].Token)
	}
}

// Others are told for half a minute that a service does not want its tokens kept.
func TestOthersAreToldOfUncacheableTokens(t *testing.T) {
	l := newLone()
	l.ask(nil)
	l.store.looks[0](LookResult{Status: LeaseGranted, Claim: Claim{Owner: 1}}, nil)
	l.calls.Fetches[0].Done(good("once", 0))
	if want := (Failure{Least: 30 * time.Second, IsExact: true}); len(l.store.failures) != 1 || l.store.failures[0] != want {
		t.Errorf("got %+v, expected %+v", l.store.failures, want)
	}
}

// The rejected token that comes with the lease stands in when the call fails, until it ends.
func TestRejectedTokenStandsIn(t *testing.T) {
	rejected := token.Token{Values: []string{"old"}, ID: 7, Lifetime: time.Minute, Age: time.Minute - callTimeout/2}
	for name, test := range map[string]struct {
		takes time.Duration
		want  bool
	}{"within its life": {callTimeout / 4, true}, "after its end": {callTimeout, false}} {
		l := newLone()
		l.ask(nil)
		l.store.looks[0](LookResult{Status: LeaseGranted, Claim: Claim{Owner: 1}, Fallback: &rejected}, nil)
		l.clock.Pass(test.takes)
		l.calls.Fetches[0].Done(result{Err: &token.Error{Reason: token.ServerError}})
		if err := l.ended[0].Err; err == nil || (err.Fallback != nil) != test.want {
			t.Errorf("%s: got %+v, expected the rejected token along with the error: %t", name, err, test.want)
		}
	}
}

// Who waits for another looks again, and after Wait calls for itself.
func TestLeaderThatNeverEnds(t *testing.T) {
	l := newLone()
	l.ask(nil)
	for range callTimeout / poll {
		if len(l.calls.Fetches) > 0 {
			break
		}
		if n := len(l.store.looks); n > 0 {
			l.store.looks[n-1](LookResult{Status: LeaseHeld, Claim: Claim{Owner: 1}}, nil)
		}
		l.pass(poll)
	}
	l.store.looks[len(l.store.looks)-1](LookResult{Status: LeaseHeld, Claim: Claim{Owner: 1}}, nil)
	if len(l.calls.Fetches) != 1 {
		t.Fatalf("got %d calls after %d looks, expected one", len(l.calls.Fetches), len(l.store.looks))
	}
	l.calls.Fetches[0].Done(good("t1", time.Minute))
	if len(l.store.saved) != 1 {
		t.Errorf("got %d saved, expected the token to be there for others, should there be none", len(l.store.saved))
	}
}

// A call keeps its lease as long as it may take, and not longer.
func TestLeaseIsExtended(t *testing.T) {
	l := newLone()
	l.ask(nil)
	l.store.looks[0](LookResult{Status: LeaseGranted, Claim: Claim{Owner: 1}}, nil)
	l.pass(callTimeout)
	extended := l.store.extended
	if extended < 2 || extended > 6 {
		t.Errorf("the lease was extended %d times during the call, expected some", extended)
	}
	l.pass(10 * callTimeout)
	if more := l.store.extended - extended; more > 1 {
		t.Errorf("the lease was extended %d times after the call's time, expected no more", more)
	}
}

// However many fetches are due at once, a callback does a part of them: each call that fails at once costs a level of
// the host's stack.
func TestTickIsBounded(t *testing.T) {
	const many = 1000
	tests := map[string]struct {
		found *LookResult   // of each look
		after time.Duration // all are due
		count func(*lone) int
	}{
		"a store that never answers": {nil, callTimeout, func(l *lone) int { return len(l.calls.Fetches) }},
		"others call":                {&LookResult{Status: LeaseHeld, Claim: Claim{Owner: 1}}, poll, func(l *lone) int { return len(l.store.looks) }},
		"leases to be extended":      {&LookResult{Status: LeaseGranted, Claim: Claim{Owner: 1}}, callTimeout / 4, func(l *lone) int { return l.store.extended }},
	}
	for name, tt := range tests {
		l := newLone()
		if tt.found == nil {
			l.calls.OnFetch = tokentest.AtOnce(unavailable())
		}
		for n := range many {
			l.ask(named(fmt.Sprint(n)))
		}
		if tt.found != nil {
			for _, answer := range l.store.looks {
				answer(*tt.found, nil)
			}
		}
		l.clock.Pass(tt.after)
		before := tt.count(l)
		for ticks := 0; tt.count(l) < before+many; ticks++ {
			at := tt.count(l)
			l.Tick(l.clock.Now, cache.BatchSize)
			if did := tt.count(l) - at; did == 0 || did > cache.BatchSize {
				t.Fatalf("%s, tick %d: got %d done at once, expected 1 to %d", name, ticks, did, cache.BatchSize)
			}
		}
	}
}

// Those that wait longest go first, though all are due again at each tick.
func TestTickIsFair(t *testing.T) {
	const many = 4 * cache.BatchSize
	l := newLone()
	l.store.onLook = func(done func(LookResult, error)) { done(LookResult{Status: LeaseHeld, Claim: Claim{Owner: 1}}, nil) }
	for n := range many {
		l.ask(named(fmt.Sprint(n)))
	}
	for range many / cache.BatchSize {
		l.clock.Pass(poll)
		l.Tick(l.clock.Now, cache.BatchSize)
	}
	looks := map[Key]int{}
	for _, key := range l.store.keys {
		looks[key]++
	}
	for key, n := range looks {
		if n != 2 {
			t.Fatalf("got %d looks for %x, expected two for each of %d", n, key[:4], many)
		}
	}
}
