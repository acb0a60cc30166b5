// Package fleet has the gateways of a fleet share their tokens through Redis: of those that need the same token, one
// calls the token service, and the others take what it got. It stands between a cache.Cache and the
// Fetcher that makes the calls, and is one itself.
//
// Redis makes nothing worse: whatever it does or does not answer, a token is there no later than one Timeout after
// it would have been without Redis.
package fleet

import (
	"container/list"
	"crypto/rand"
	"encoding/hex"
	"time"

	"token-fetch/internal/cache"
	"token-fetch/internal/token"
)

// Redis runs scripts.
type Redis interface {
	// Eval runs a Lua script. done is told once, in a callback of the host's root context, unless Eval returns an
	// error. It may be told late, or never.
	Eval(script string, keys, args []string, done func(reply string, err error)) error
}

// Log is told what an operator should know. It sums up.
type Log interface {
	RedisFailed(err error)
	RedisWorks()
}

// Policy is how tokens are shared.
type Policy struct {
	Timeout       time.Duration                                  // of a token call, and how long the others wait for its result
	Backoff       time.Duration                                  // the first wait after a failed call
	RefreshBefore func(lifetime time.Duration) (d time.Duration) // how long before its end a token is renewed at the earliest
	Values        int                                            // of each token
	IsHeaderValue func(value string) bool                        // reports whether a header can carry it
}

// Fetcher obtains tokens from the fleet, or from the Fetcher behind it.
type Fetcher struct {
	Redis  Redis
	Calls  token.Source
	Clock  token.Clock
	Policy Policy
	Names  *Names
	Sealer *Sealer // nil: tokens are kept as they are
	Log    Log

	open     list.List               // of the *attempt that have not ended; those first for which nothing was done the longest
	rejected map[token.Key]rejection // that Redis has not been told yet
}

var (
	_ token.Source   = (*Fetcher)(nil)
	_ cache.Rejecter = (*Fetcher)(nil)
)

// rejection is a token that an upstream of this gateway has rejected.
type rejection struct {
	names []string
	id    string
}

// pollPeriod is the time between two looks for what another gateway is fetching.
const pollPeriod = 20 * time.Millisecond

// Fetch takes the token from Redis or, when no gateway has it, from the Fetcher behind. It runs in the root context.
func (f *Fetcher) Fetch(q token.Query, done func(token.Token, *token.Error)) {
	now := f.Clock.Monotonic()
	a := &attempt{
		fetcher: f, caller: q.Caller, done: done,
		names: f.Names.of(q.Caller), owner: randomID(),
		giveUp: now + f.Policy.Timeout,
	}
	a.element = f.open.PushBack(a)
	a.look(now)
}

// Rejected is for a token of that caller that the upstream has rejected. A request's context calls it, in which a call
// of Redis would end with the request: the next Fetch or Tick makes it.
func (f *Fetcher) Rejected(caller token.Caller, id token.ID) {
	if f.rejected == nil {
		f.rejected = map[token.Key]rejection{}
	}
	if len(f.rejected) < maxRejections {
		f.rejected[token.KeyOf(caller)] = rejection{f.Names.of(caller), formatID(id)}
	}
}

// maxRejections bounds what waits for a Tick. A token beyond it is withdrawn when it is rejected again.
const maxRejections = 1024

// tickTime is for how long a Tick goes on to begin calls. One that has to be signed takes milliseconds, and the worker serves
// nobody meanwhile.
const tickTime = 5 * time.Millisecond

// Tick looks again for what other gateways are fetching, and gives up what takes too long. The root context calls it
// some ten times a second, and more often while IsWaiting. It does at most so much at once, each of which can be a call, and
// returns how much is left of that: nothing also when it has taken long. What it has not come to is for the next.
func (f *Fetcher) Tick(now time.Duration, most int) (left int) {
	left = f.tellRejections(most)
	for element := f.open.Front(); element != nil && left > 0; {
		a, next := element.Value.(*attempt), element.Next()
		if a.tick(now) {
			f.open.MoveToBack(element) // unless it has ended, and left the list
			left--
			if f.Clock.Monotonic() >= now+tickTime {
				return 0
			}
		}
		element = next
	}
	return left
}

// IsWaiting reports whether there is something under way.
func (f *Fetcher) IsWaiting() bool { return f.open.Len()+len(f.rejected) > 0 }

func (f *Fetcher) tellRejections(most int) (left int) {
	for key, r := range f.rejected {
		if most == 0 {
			return 0
		}
		most--
		delete(f.rejected, key)
		f.tell(scriptReject, r.names, r.id, millis(f.Policy.Backoff))
	}
	return most
}

// takeRejection returns the token of the caller, if any, that Redis must forget before it is asked for one.
func (f *Fetcher) takeRejection(caller token.Caller) string {
	key := token.KeyOf(caller)
	id := f.rejected[key].id
	delete(f.rejected, key)
	return id
}

// tell has a script run whose reply nobody waits for.
func (f *Fetcher) tell(script string, names []string, args ...string) {
	err := f.Redis.Eval(script, names, args, func(_ string, err error) { f.heard(err) })
	if err != nil {
		f.heard(err)
	}
}

// read is decode for a record that must have what a token of this configuration has, and what headers can carry: without a
// key for it, anybody who can write to Redis may have made it.
func (f *Fetcher) read(record, key string) (grant, bool) {
	g, ok := decode(record, key, f.Sealer, f.Policy.Values)
	for i, value := range g.Values {
		ok = ok && (i > 0 || value != "") && // the first is the token
			len(value) <= maxValue && f.Policy.IsHeaderValue(value)
	}
	return g, ok
}

// maxValue is more than a token and its prefix have.
const maxValue = 64 << 10

func (f *Fetcher) heard(err error) {
	if err != nil {
		f.Log.RedisFailed(err)
	} else {
		f.Log.RedisWorks()
	}
}

// randomID tells apart leases. It must differ between gateways, whose pseudo-random numbers may not.
func randomID() string {
	var id [16]byte
	_, _ = rand.Read(id[:])
	return hex.EncodeToString(id[:])
}
