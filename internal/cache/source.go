package cache

import "token-fetch/internal/token"

// Rejecter is a Source that must know which of its tokens the upstream has rejected, before it is asked for
// another. A request's context tells it.
type Rejecter interface {
	Rejected(caller token.Caller, id token.ID)
}

// Waiter is a request that waits for a token. It is told exactly one of the two, in a turn of the
// Scheduler, unless it leaves before.
type Waiter interface {
	Proceed(t *token.Token)
	Fail(err *token.Error)
}

// Errors of requests that no call is made for, or whose call has ended in silence.
var (
	errTooManyWaiting = &token.Error{Reason: token.TooMany, Detail: "has too many requests waiting for it"}
	errTooManyCallers = &token.Error{Reason: token.TooMany, Detail: "is being called for too many callers at once"}
	errNoResult       = &token.Error{Reason: token.NoAnswer, Detail: "got no answer in time"}
	errPanic          = &token.Error{Reason: token.Internal, Detail: "gave an answer that made the plugin panic"}
)

// errElsewhere is what requests are told of a failed call of another worker, which has logged why.
func errElsewhere(r token.Reason) *token.Error {
	return &token.Error{Reason: r, Detail: "failed when another worker called it"}
}

// Worker is what the caches of one root context have in common.
type Worker struct {
	Clock     token.Clock
	Scheduler *Scheduler
	Memory    *Memory // of all root contexts of the VM
	Stats     *Stats
	OnPanic   func(cause any) // writes about a panic in an answer
}

// Stats counts what requests met. Whoever owns it writes it to the host.
type Stats struct {
	Hits, Misses, Coalesced, Refreshes, StaleServed, Invalidated uint64
}

// Reply is what a request is told when it asks for a token: one of the three.
type Reply struct {
	Token   *token.Token
	Err     *token.Error // there is none, and no fetch for this request
	Waiting bool         // for a fetch: the Waiter will be told
	Place   Place        // of one that waits
}
