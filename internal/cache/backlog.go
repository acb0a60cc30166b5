package cache

import (
	"container/list"
	"time"

	"token-fetch/internal/token"
)

// TurnSize is how many fetches are begun, and how many waiters told, in one turn.
//
// A host does what a callback asks for after the callback has returned, and enters the VM again for
// each request that ends by it, one level deeper each time: at some 290 requests answered
// in one callback, the stack is gone and the VM with it. A fetch that fails at once, as with a
// circuit breaker, nests in the same way. This leaves room for filter chains that use more of
// the stack than the tests' do.
const TurnSize = 32

// turnTime is for how long a turn goes on to begin fetches. One that has to be signed takes milliseconds, and the
// worker serves nobody meanwhile.
const turnTime = 5 * time.Millisecond

// Backlog is what the caches of one root context have to do outside of requests: fetches to be
// begun, and requests to be told what became of theirs. It is done in turns, each in a
// callback of its own, in the order in which it came up.
type Backlog struct {
	wake    func() // has Turn run soon, in a callback of its own
	awake   bool   // a turn is due
	fetches []wantedFetch
	results []delivery
	watched []watchedFetch
}

type wantedFetch struct {
	cache *Cache
	entry *Entry
}

// watchedFetch is one that another worker makes, with its number.
type watchedFetch struct {
	cache  *Cache
	entry  *Entry
	number int
}

// delivery is a result on its way to the requests that waited for it.
type delivery struct {
	waiters *list.List
	token   *stored
	err     *token.Error // when there is no token
}

// NewBacklog returns an empty one. It calls wake when there is work and no turn is due.
func NewBacklog(wake func()) *Backlog { return &Backlog{wake: wake} }

// Turn does a part of the work, and reports whether there is more: then the caller sees to
// the next turn.
func (b *Backlog) Turn() (more bool) {
	b.awake = true
	b.beginFetches()
	b.tellWaiters()
	b.awake = len(b.fetches)+len(b.results) > 0
	return b.awake
}

func (b *Backlog) beginFetches() {
	var began time.Duration
	for i := range min(len(b.fetches), TurnSize) {
		next := b.fetches[0]
		switch now := next.cache.Clock.Monotonic(); {
		case i == 0:
			began = now
		case now >= began+turnTime:
			return
		}
		b.fetches[0] = wantedFetch{} // the array must not keep what is done
		b.fetches = b.fetches[1:]
		next.cache.begin(next.entry)
	}
}

func (b *Backlog) tellWaiters() {
	for told := 0; told < TurnSize && len(b.results) > 0; {
		next := b.results[0]
		first := next.waiters.Front()
		if first == nil {
			b.results[0] = delivery{}
			b.results = b.results[1:]
			continue
		}
		waiter := next.waiters.Remove(first).(Waiter)
		told++
		if next.token != nil {
			waiter.Proceed(&next.token.Token)
		} else {
			waiter.Fail(next.err)
		}
	}
}

// IsWatching reports whether fetches of other workers are waited for. Then the caller sees to it that
// Watch runs every few milliseconds.
func (b *Backlog) IsWatching() bool { return len(b.watched) > 0 }

// Watch looks after some of the fetches that other workers make, those first that were looked after
// the longest ago: each look reads the store.
func (b *Backlog) Watch() {
	for range min(len(b.watched), TurnSize) {
		next := b.watched[0]
		b.watched[0] = watchedFetch{}
		b.watched = b.watched[1:]
		if next.cache.watch(next.entry, next.number) {
			b.watched = append(b.watched, next)
		}
	}
	if len(b.watched) == 0 {
		b.watched = nil // and with it the array that held them
	}
}

func (b *Backlog) fetch(c *Cache, e *Entry) {
	b.fetches = append(b.fetches, wantedFetch{c, e})
	b.wakeUp()
}

func (b *Backlog) deliver(d delivery) {
	if d.waiters == nil || d.waiters.Len() == 0 {
		return
	}
	b.results = append(b.results, d)
	b.wakeUp()
}

func (b *Backlog) wakeUp() {
	if !b.awake {
		b.awake = true
		b.wake()
	}
}
