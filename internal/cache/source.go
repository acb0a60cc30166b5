package cache

import "token-fetch/internal/token"

// Peeker is a Source that keeps tokens. It can be asked for one without a call being made: isRejected is one that only
// stands in for a new one.
type Peeker interface {
	Peek(c token.Caller) (t token.Token, isRejected, ok bool)
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
	errPanic          = &token.Error{Reason: token.Internal, Detail: "gave an answer that made the plugin panic"}
)

// Deps is what the caches of one root context have in common.
type Deps struct {
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
	IsNew   bool         // the token was fetched for this request, and not by another worker
	Err     *token.Error // there is none, and no fetch for this request
	Waiting bool         // for a fetch: the Waiter will be told
	Ticket  Ticket       // of one that waits
}
