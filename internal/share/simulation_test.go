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
)

// simulation is four workers of a gateway with more callers than buckets, and whatever can happen to them, at random.
type simulation struct {
	t       *testing.T
	random  *rand.Rand
	policy  *cache.Policy
	clock   *fakeClock
	cells   *fakeCells
	workers []*worker
	callers []*fakeCaller
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
	s := &simulation{t: t, random: rand.New(rand.NewPCG(seed, 1)), clock: newFakeClock(), cells: newFakeCells()}
	s.policy = defaults()
	s.policy.MaxEntries = 1 + s.random.IntN(6)
	s.policy.StaleIfError = time.Duration(s.random.IntN(3)) * time.Second
	s.policy.Backoff = time.Duration(1+s.random.IntN(1000)) * time.Millisecond
	for range 4 {
		s.workers = append(s.workers, newSharingWorker(s.policy, s.clock, s.cells))
	}
	for i := range 12 {
		s.callers = append(s.callers, named(fmt.Sprintf("caller-%d", i)))
	}
	return s
}

func (s *simulation) tick() {
	for _, w := range s.workers {
		// The client gives up calls whose callback never comes.
		w.fetches = slices.DeleteFunc(w.fetches, func(f *fakeFetch) bool {
			isLost := s.clock.now >= f.sentAt+callTimeout+time.Second
			if isLost {
				f.done(result{err: &token.Error{Reason: token.NoAnswer}})
			}
			return isLost
		})
		w.tick()
	}
	s.waiting = slices.DeleteFunc(s.waiting, func(r *simulated) bool {
		s.check(r)
		return r.told > 0
	})
	if len(s.cells.data) > s.policy.MaxEntries {
		s.t.Fatalf("%d keys, expected at most %d", len(s.cells.data), s.policy.MaxEntries)
	}
}

func (s *simulation) check(r *simulated) {
	if r.told == 0 {
		if waited := s.paced - r.askedAt; waited > longestWait {
			s.t.Fatalf("a request of %s has waited for %s", r.caller.Values(), waited)
		}
		return
	}
	if r.told > 1 || (r.token == nil) == (r.err == nil) {
		s.t.Fatalf("a request of %s was told %d times, %v and %v", r.caller.Values(), r.told, r.token, r.err)
	}
	s.told++
	if r.token != nil {
		s.checkToken(r.caller, r.token)
	}
}

// checkToken is what all of this is about.
func (s *simulation) checkToken(caller token.Caller, t *token.Token) {
	if owner, _, _ := strings.Cut(t.Values[0], "#"); len(t.Values) != 1 || owner != caller.Values() {
		s.t.Fatalf("%s has the token %q", caller.Values(), t.Values)
	}
}

// finish lets all end that can end. Then nobody waits any more.
func (s *simulation) finish() {
	for range 80 {
		s.clock.pass(simulatedTick)
		s.paced += simulatedTick
		s.tick()
	}
	for i, w := range s.workers {
		if len(s.waiting) > 0 || len(w.panics) > 0 {
			s.t.Fatalf("worker %d, at the end: %d requests wait, panics %v", i, len(s.waiting), w.panics)
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
