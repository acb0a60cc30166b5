package cache

import (
	"errors"
	"time"
)

// Key tells apart what must not share a token. It is a hash, as it is made of secrets.
type Key = [16]byte

// Caller is whose token it is, where tokens depend on the caller of the gateway.
type Caller interface {
	Values() string // tell callers apart; Find looks for them
	Key() Key       // the same as a hash
	Size() int      // of what it keeps in memory, in bytes
}

// Fetcher obtains tokens.
type Fetcher interface {
	// Fetch makes a token call; caller is nil where tokens do not depend on it. It runs in the
	// root context, and tells done the result, now or later. A result that
	// has not come by the policy's Timeout counts as one that never does.
	Fetch(caller Caller, done func(Result))
	// ErrorOf is what requests are told of another worker's Failure with this code.
	ErrorOf(code uint8) error
}

// Rejecter is a Fetcher that must know which of its tokens the upstream has rejected, before it is asked for
// another. A request's context tells it.
type Rejecter interface {
	Rejected(caller Caller, id uint64)
}

// Result is a Grant or, if Failure is not nil, none: then a Grant with a lifetime is of a token that other gateways had
// before, and that serves to its end.
type Result struct {
	Grant   Grant
	Failure *Failure
}

// Failure is a fetch that brought no token.
type Failure struct {
	Err error // what waiting requests are told
	// Unavailable: the token service can't answer, whoever calls: no connection, no answer in
	// time, an error of its own. Anything else refuses this caller's token.
	Unavailable bool
	RetryAfter  time.Duration // how long the service asks to be left alone
	Code        uint8         // what the other workers learn of Err; 0: nothing, they shall see for themselves
}

// Waiter is a request that waits for a token. It is told exactly one of the two, in a turn of the
// Backlog, unless it leaves before.
type Waiter interface {
	Proceed(t *Token)
	Fail(err error)
}

// Clock is the host's time.
type Clock interface {
	// Monotonic counts from some start that all workers of the process share.
	Monotonic() time.Duration
	Wall() time.Time
}

// Errors that requests are told beside those of a Fetcher. Their subject is the token service.
var (
	ErrTooManyWaiting = errors.New("has too many requests waiting for it")
	ErrTooManyCallers = errors.New("is being called for too many callers at once")
	ErrNoResult       = errors.New("got no answer in time")
	ErrPanic          = errors.New("gave an answer that made the plugin panic")
)

// Worker is what the caches of one root context have in common.
type Worker struct {
	Clock   Clock
	Backlog *Backlog
	Memory  *Memory // of all root contexts of the VM
	Stats   *Stats
	OnPanic func(cause any) // writes about a panic in an answer
}

// Stats counts what requests met. Whoever owns it writes it to the host.
type Stats struct {
	Hits, Misses, Coalesced, Refreshes, StaleServed, Invalidated uint64
}

// Reply is what a request is told when it asks for a token: one of the three.
type Reply struct {
	Token   *Token
	Err     error // there is none, and no fetch for this request
	Waiting bool  // for a fetch: the Waiter will be told
	Place   Place // of one that waits
}
