package share

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/cache"
	"token-fetch/internal/token"
	"token-fetch/internal/tokentest"
)

// simulation is four workers of a gateway with one token for all, or more callers than buckets, and whatever can happen to
// them, at random.
type simulation struct {
	*testing.T
	random  *rand.Rand
	policy  *cache.Policy
	clock   *tokentest.Clock
	cells   *fakeCells
	workers []*worker
	callers []token.Caller // one that is nil: the token is the same for all
	waiting []*simulated
	past    [][]byte // what buckets have held, of which another plugin may write anything anywhere
	tokens  int
	paced   time.Duration // that has passed, a leap of the clock counted as a tick
	// counts of what must happen for the test to mean anything
	told, elsewhere, adopted, refused, rejected uint64
}

// simulated is a request that waits.
type simulated struct {
	request
	caller  token.Caller
	ticket  cache.Ticket
	askedAt time.Duration // as paced counts
}

// longestWait is for another worker, then for a fetch, and for the ticks and turns in between.
const longestWait = patience + callTimeout + time.Second + 4*simulatedTick

const simulatedTick = 50 * time.Millisecond

func newSimulation(t *testing.T, seed uint64) *simulation {
	s := &simulation{T: t, random: rand.New(rand.NewPCG(seed, 1)), clock: tokentest.NewClock(), cells: newFakeCells()}
	s.policy = defaults()
	s.policy.MaxEntries = 1 + s.random.IntN(6)
	s.policy.StaleIfError = time.Duration(s.random.IntN(3)) * time.Second
	s.policy.Backoff = time.Duration(1+s.random.IntN(1000)) * time.Millisecond
	if seed%4 == 0 {
		s.callers = []token.Caller{nil}
	} else {
		for i := range 12 {
			s.callers = append(s.callers, named(fmt.Sprintf("caller-%d", i)))
		}
	}
	for range 4 {
		s.workers = append(s.workers, s.newWorker())
	}
	return s
}

func (s *simulation) newWorker() *worker {
	if s.callers[0] == nil {
		return newPeer(s.policy, s.clock, s.cells)
	}
	return newSharingWorker(s.policy, s.clock, s.cells)
}

func nameOf(caller token.Caller) string {
	if caller == nil {
		return "everyone"
	}
	return caller.Values()
}

func (s *simulation) tick() {
	for _, w := range s.workers {
		// The client gives up calls whose callback never comes.
		w.Fetches = slices.DeleteFunc(w.Fetches, func(f *tokentest.Fetch) bool {
			isLost := s.clock.Now >= f.SentAt+callTimeout+time.Second
			if isLost {
				f.Done(result{Err: &token.Error{Reason: token.NoAnswer}})
			}
			return isLost
		})
		w.tick()
		under := map[string]bool{}
		for _, f := range w.Fetches {
			if under[nameOf(f.Caller)] {
				s.Fatalf("two calls for %s at once in one worker", nameOf(f.Caller))
			}
			under[nameOf(f.Caller)] = true
		}
	}
	s.waiting = slices.DeleteFunc(s.waiting, func(r *simulated) bool {
		s.check(r)
		return r.Told > 0
	})
	if len(s.cells.data) > s.policy.MaxEntries {
		s.Fatalf("%d keys, expected at most %d", len(s.cells.data), s.policy.MaxEntries)
	}
}

func (s *simulation) check(r *simulated) {
	if r.Told == 0 {
		if waited := s.paced - r.askedAt; waited > longestWait {
			s.Fatalf("a request of %s has waited for %s", nameOf(r.caller), waited)
		}
		return
	}
	if r.Told > 1 || (r.Token == nil) == (r.Err == nil) {
		s.Fatalf("a request of %s was told %d times, %v and %v", nameOf(r.caller), r.Told, r.Token, r.Err)
	}
	s.told++
	if r.Token != nil {
		s.checkToken(r.caller, r.Token)
	}
}

// checkToken is what all of this is about.
func (s *simulation) checkToken(caller token.Caller, t *token.Token) {
	if owner, _, _ := strings.Cut(t.Values[0], "#"); len(t.Values) != 1 || owner != nameOf(caller) {
		s.Fatalf("%s has the token %q", nameOf(caller), t.Values)
	}
}

// finish lets everything end that can. Nothing may be waiting afterwards.
func (s *simulation) finish() {
	for range 80 {
		s.clock.Pass(simulatedTick)
		s.paced += simulatedTick
		s.tick()
	}
	for i, w := range s.workers {
		if len(s.waiting) > 0 || len(w.panics) > 0 {
			s.Fatalf("worker %d, at the end: %d requests wait, panics %v", i, len(s.waiting), w.panics)
		}
		s.elsewhere += w.stats.Coalesced
		s.rejected += w.stats.StaleServed
	}
}

// TestFourWorkersAtRandom does two million things, or as many as SIMULATION_STEPS says, in four workers.
func TestFourWorkersAtRandom(t *testing.T) {
	steps := 2_000_000
	if text := os.Getenv("SIMULATION_STEPS"); text != "" {
		var err error
		if steps, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	} else if testing.Short() {
		steps = 200_000
	}
	const each = 20_000
	var told, elsewhere, adopted, rejected uint64
	for seed := range uint64(steps / each) {
		s := newSimulation(t, seed)
		for range each {
			s.step()
		}
		s.finish()
		told, elsewhere, adopted, rejected = told+s.told, elsewhere+s.elsewhere, adopted+s.adopted, rejected+s.rejected
	}
	t.Logf("%d requests waited, %d of them for others, %d took what was there, %d of that a rejected token", told, elsewhere, adopted, rejected)
	if told < uint64(steps)/200 || rejected < uint64(steps)/5000 || elsewhere < uint64(steps)/1000 || adopted < uint64(steps)/200 {
		t.Error("too little of it happened")
	}
}
