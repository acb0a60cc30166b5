package share

import (
	"sync"
	"testing"
	"time"

	"token-fetch/internal/redistest"
	"token-fetch/internal/token"
	"token-fetch/internal/tokentest"
)

// storeTest drives a store as its users do, each with its own owner, and advances its clock.
type storeTest struct {
	*testing.T
	store  Store
	clock  token.Clock
	pass   func(d time.Duration)
	key    Key
	claims map[uint64]Claim
}

// These are long enough for a real Redis on a machine that is busy.
const (
	storeLease   = 2 * time.Second
	storeBackoff = 1500 * time.Millisecond
	storeLife    = time.Minute
	storeDue     = 2 * time.Second // after its beginning
)

// look is a Look, and its finding as text: what is found, of which token or reason.
func (s *storeTest) look(owner uint64, have token.ID, isRejected bool) string {
	s.Helper()
	return s.lookFor(LookRequest{Owner: owner, Lease: storeLease, Have: have, IsRejected: isRejected, Backoff: storeBackoff})
}

func (s *storeTest) lookFor(q LookRequest) string {
	s.Helper()
	var found *LookResult
	var failed error
	count := 0
	s.store.Look(s.key, q, func(f LookResult, err error) { found, failed, count = &f, err, count+1 })
	s.wait(func() bool { return count > 0 })
	switch {
	case count != 1:
		s.Fatalf("a look: told %d times, expected once", count)
	case failed != nil:
		return "error"
	}
	fallback := ""
	if found.Fallback != nil {
		fallback = " with " + found.Fallback.Values[0]
		if found.Fallback.ID == 0 || found.Fallback.Age >= found.Fallback.Lifetime {
			s.Errorf("got the rejected token %+v, expected one that has not ended", found.Fallback)
		}
	}
	switch found.Status {
	case TokenFound:
		if t := found.Token; t.Age < 0 || t.Age >= t.Lifetime || t.Lifetime != storeLife || t.SubjectLifetime != 2*storeLife {
			s.Errorf("got %+v, expected the lifetimes that were stored, and an age within", t)
		}
		return "token " + found.Token.Values[0] + fallback
	case InBackoff:
		if found.Wait <= 0 {
			s.Errorf("got a wait of %s, expected the time until the next call", found.Wait)
		}
		return "failed " + found.Reason.String() + fallback
	case Uncacheable:
		return "alone" + fallback
	case LeaseGranted:
		s.claims[q.Owner] = found.Claim
		return "leased" + fallback
	default:
		s.claims[q.Owner] = found.Claim
		return "busy" + fallback
	}
}

func (s *storeTest) save(owner uint64, text string, id token.ID) {
	s.Helper()
	t := token.Token{Values: []string{text}, ID: id, Lifetime: storeLife, SubjectLifetime: 2 * storeLife}
	isTold := false
	s.store.Save(s.key, s.claims[owner], t, storeDue, func(error) { isTold = true })
	s.wait(func() bool { return isTold })
}

// fail is a Fail, and the wait that it begins.
func (s *storeTest) fail(owner uint64, f Failure) (wait time.Duration) {
	s.Helper()
	isTold := false
	s.store.Fail(s.key, s.claims[owner], f, func(d time.Duration, _ error) { wait, isTold = d, true })
	s.wait(func() bool { return isTold })
	return wait
}

func (s *storeTest) extend(owner uint64, until time.Duration) {
	s.Helper()
	isTold := false
	s.store.Extend(s.key, s.claims[owner], until, func(error) { isTold = true })
	s.wait(func() bool { return isTold })
}

func (s *storeTest) wait(holds func() bool) {
	s.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); s.pass(time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatal("not told after 20 s")
		}
	}
}

func (s *storeTest) expect(what, got, want string) {
	s.Helper()
	if got != want {
		s.Errorf("%s: got %q, expected %q", what, got, want)
	}
}

// storeTests are the contract of Store. Both implementations pass them.
var storeTests = map[string]func(*storeTest){
	"one of many has the lease": func(s *storeTest) {
		s.expect("the first", s.look(1, 0, false), "leased")
		for owner := range uint64(10) {
			s.expect("another", s.look(owner+2, 0, false), "busy")
		}
		s.save(1, "t1", 7)
		s.expect("after the save", s.look(3, 0, false), "token t1")
	},
	"a lease ends": func(s *storeTest) {
		s.expect("the first", s.look(1, 0, false), "leased")
		s.pass(storeLease + 50*time.Millisecond)
		s.expect("after its end", s.look(2, 0, false), "leased")
		s.expect("for the first", s.look(1, 0, false), "busy")
	},
	"a lease that is extended": func(s *storeTest) {
		s.look(1, 0, false)
		for range 3 {
			s.pass(storeLease / 2)
			s.extend(1, storeLease)
			s.extend(2, 10*storeLease) // who has none
		}
		s.expect("while it is extended", s.look(2, 0, false), "busy")
		s.pass(storeLease + 50*time.Millisecond)
		s.expect("no longer", s.look(2, 0, false), "leased")
	},
	"a lease that is given back": func(s *storeTest) {
		s.look(1, 0, false)
		s.extend(2, 0) // by who has none
		s.expect("by another", s.look(2, 0, false), "busy")
		s.extend(1, 0)
		s.pass(2 * time.Millisecond)
		s.expect("by its owner", s.look(2, 0, false), "leased")
	},
	"a look without a lease": func(s *storeTest) {
		s.expect("nothing there", s.lookFor(LookRequest{Owner: 1}), "busy")
		s.expect("it took none", s.look(2, 0, false), "leased")
	},
	"a save without the lease": func(s *storeTest) {
		s.look(1, 0, false)
		s.look(2, 0, false) // busy
		s.save(2, "late", 8)
		s.expect("while another has it", s.look(3, 0, false), "busy")
		s.extend(1, 0)
		s.pass(2 * time.Millisecond)
		s.save(2, "late", 8)
		s.expect("no holder", s.look(3, 0, false), "token late")
		s.save(1, "later", 9)
		s.expect("there is a token", s.look(3, 0, false), "token late")
	},
	"a token that is due is renewed by one": func(s *storeTest) {
		s.look(1, 0, false)
		s.save(1, "t1", 7)
		s.expect("not due, who has it", s.look(2, 7, false), "token t1")
		s.pass(storeDue + 50*time.Millisecond)
		s.expect("due, who has none", s.look(2, 0, false), "token t1")
		s.expect("due, who has it", s.look(3, 7, false), "leased")
		s.expect("another who has it", s.look(4, 7, false), "token t1")
		s.save(3, "t2", 8)
		s.expect("after that", s.look(4, 7, false), "token t2")
	},
	"a failed renewal": func(s *storeTest) {
		s.look(1, 0, false)
		s.save(1, "t1", 7)
		s.pass(storeDue + 50*time.Millisecond)
		s.look(2, 7, false)
		s.fail(2, Failure{Reason: token.ServerError, Backoff: storeBackoff})
		s.expect("who has it", s.look(3, 7, false), "token t1")
		s.expect("who has none", s.look(3, 0, false), "token t1")
		s.pass(storeBackoff*6/5 + 50*time.Millisecond)
		s.expect("after the wait", s.look(3, 7, false), "leased")
	},
	"a failure holds for all": func(s *storeTest) {
		s.look(1, 0, false)
		s.fail(2, Failure{Reason: token.ServerError, Backoff: storeBackoff}) // who has no lease
		s.expect("by who has no lease", s.look(2, 0, false), "busy")
		wait := s.fail(1, Failure{Reason: token.RateLimited, Backoff: storeBackoff})
		if wait < storeBackoff || wait > storeBackoff*6/5 {
			s.Errorf("the first wait: got %s, expected %s or up to a fifth more", wait, storeBackoff)
		}
		s.expect("at once", s.look(2, 0, false), "failed rate_limited")
		s.pass(wait + 50*time.Millisecond)
		s.expect("after the wait", s.look(2, 0, false), "leased")
		if second := s.fail(2, Failure{Reason: token.OtherStatus, Backoff: storeBackoff}); second < 2*storeBackoff || second > 2*storeBackoff*6/5 {
			s.Errorf("the second wait: got %s, expected %s or up to a fifth more", second, 2*storeBackoff)
		}
	},
	"Retry-After in full": func(s *storeTest) {
		s.look(1, 0, false)
		if wait := s.fail(1, Failure{Reason: token.ServerError, Backoff: storeBackoff, Least: 4 * time.Minute}); wait != 4*time.Minute {
			s.Errorf("got a wait of %s, expected the four minutes that the service has asked for", wait)
		}
		var f LookResult
		isTold := false
		s.store.Look(s.key, LookRequest{Owner: 2, Lease: storeLease, Backoff: storeBackoff}, func(found LookResult, _ error) { f, isTold = found, true })
		s.wait(func() bool { return isTold })
		if f.Status != InBackoff || f.Wait < 4*time.Minute-5*time.Second || f.Wait > 4*time.Minute {
			s.Errorf("another: got %+v, expected four minutes", f)
		}
	},
	"an exact wait": func(s *storeTest) {
		s.look(1, 0, false)
		if wait := s.fail(1, Failure{Reason: token.ServerError, Backoff: storeBackoff, Least: 50 * time.Millisecond, IsExact: true}); wait != 50*time.Millisecond {
			s.Errorf("got %s, expected 50ms", wait)
		}
	},
	"tokens that may not be kept": func(s *storeTest) {
		s.look(1, 0, false)
		s.fail(1, Failure{Least: 2 * time.Second, IsExact: true})
		for owner := range uint64(5) {
			s.expect("all call for themselves", s.look(owner+2, 0, false), "alone")
		}
		s.pass(2100 * time.Millisecond)
		s.expect("later", s.look(2, 0, false), "leased")
	},
	"success forgets failures": func(s *storeTest) {
		s.look(1, 0, false)
		first := s.fail(1, Failure{Reason: token.ServerError, Backoff: storeBackoff})
		s.pass(first + 50*time.Millisecond)
		s.look(1, 0, false)
		s.save(1, "t1", 7)
		s.pass(storeDue + 50*time.Millisecond)
		s.look(2, 7, false)
		if wait := s.fail(2, Failure{Reason: token.ServerError, Backoff: storeBackoff}); wait > storeBackoff*6/5 {
			s.Errorf("after a success: got a wait of %s, expected the first one's", wait)
		}
	},
	"a rejected token": func(s *storeTest) {
		s.look(1, 0, false)
		s.save(1, "t1", 7)
		s.expect("who rejects another", s.look(2, 6, true), "token t1")
		s.expect("who rejects it", s.look(2, 7, true), "leased with t1")
		s.expect("who has it", s.look(3, 7, false), "busy with t1")
		s.expect("who rejects it too", s.look(3, 7, true), "busy with t1")
		s.expect("who has none", s.look(4, 0, false), "busy with t1")
		s.fail(2, Failure{Reason: token.ServerError, Backoff: storeBackoff})
		s.expect("after a failure", s.look(4, 0, false), "failed server_error with t1")
		s.pass(storeBackoff*6/5 + 50*time.Millisecond)
		s.expect("after the wait", s.look(2, 7, true), "leased with t1")
		s.save(2, "t2", 8)
		s.expect("a new one", s.look(3, 7, true), "token t2")
	},
	"rejections are spaced": func(s *storeTest) {
		s.look(1, 0, false)
		s.save(1, "t1", 7)
		s.look(1, 7, true)
		s.save(1, "t2", 8)
		s.expect("the next one, at once", s.look(2, 8, true), "token t2")
		s.pass(storeBackoff*6/5 + 50*time.Millisecond)
		s.expect("after the wait", s.look(2, 8, true), "leased with t2")
		s.save(2, "t3", 9)
		s.pass(storeBackoff + 50*time.Millisecond)
		s.expect("the third, after the first wait", s.look(2, 9, true), "token t3")
		s.pass(storeBackoff*2*6/5 - storeBackoff)
		s.expect("after twice the wait", s.look(2, 9, true), "leased with t3")
	},
	"a rejected token of a caller who is refused": func(s *storeTest) {
		s.look(1, 0, false)
		s.save(1, "t1", 7)
		s.look(1, 7, true)
		s.fail(1, Failure{Reason: token.SubjectRefused, Backoff: storeBackoff})
		s.expect("both agree", s.look(2, 7, true), "failed subject_refused")
	},
	"a token's age counts": func(s *storeTest) {
		s.look(1, 0, false)
		const age = storeLife - 2*time.Second
		t := token.Token{Values: []string{"old"}, ID: 7, Lifetime: storeLife, SubjectLifetime: 2 * storeLife, Age: age}
		isTold := false
		s.store.Save(s.key, s.claims[1], t, storeLife, func(error) { isTold = true })
		s.wait(func() bool { return isTold })
		s.expect("before its end", s.look(2, 0, false), "token old")
		s.pass(2100 * time.Millisecond)
		s.expect("after its end", s.look(2, 0, false), "leased")
	},
	"keys are apart": func(s *storeTest) {
		s.look(1, 0, false)
		s.save(1, "t1", 7)
		own := s.key
		s.key = Key{9, 9}
		s.expect("another key", s.look(2, 0, false), "leased")
		s.key = own
		s.expect("the first", s.look(2, 0, false), "token t1")
	},
}

func TestStores(t *testing.T) {
	t.Run("shared data", func(t *testing.T) {
		for name, test := range storeTests {
			t.Run(name, func(t *testing.T) {
				clock := tokentest.NewClock()
				test(&storeTest{T: t, store: NewSharedData(newFakeCells(), clock, 1), clock: clock, pass: clock.Pass, key: Key{1, 2}, claims: map[uint64]Claim{}})
			})
		}
	})
	// Side by side, as they mostly wait: t.Parallel would run as many as there are cores.
	redis, group := redistest.Start(t), sync.WaitGroup{}
	for sealing, key := range map[string]string{"Redis": "", "Redis, sealed": testKey} {
		for name, test := range storeTests {
			group.Add(1)
			go func() {
				defer group.Done()
				t.Run(sealing+"/"+name, func(t *testing.T) {
					s, h := newRedisTest(t, redis.Address, Connection{Timeout: 10 * time.Second}, sealing+" "+name+":", key)
					test(s)
					if len(h.lines) > 0 {
						t.Errorf("the log has %q, expected nothing", h.lines)
					}
				})
			}()
		}
	}
	group.Wait()
}
