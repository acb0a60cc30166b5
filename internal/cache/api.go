package cache

import "token-fetch/internal/token"

// Waiter is a request that waits for a token. The Scheduler calls exactly one of its methods, unless the request
// cancels its Ticket first.
type Waiter interface {
	Proceed(t *token.Token)
	Fail(err *token.Error)
}

// Errors of requests that no call is made for, or whose call ended in a panic.
var (
	errTooManyWaiting = &token.Error{Reason: token.TooMany, Detail: "has too many requests waiting for it"}
	errTooManyCallers = &token.Error{Reason: token.TooMany, Detail: "is being called for too many callers at once"}
	errPanic          = &token.Error{Reason: token.Internal, Detail: "sent an answer that made the plugin panic"}
)

// Deps are what the caches of one root context have in common.
type Deps struct {
	Clock     token.Clock
	Scheduler *Scheduler
	Memory    *Memory // of all root contexts of the VM
	Stats     *Stats
	OnPanic   func(cause any) // reports a panic while handling a result
}

// Stats counts how requests fared. Its owner publishes it.
type Stats struct {
	Hits, Misses, Coalesced, Refreshes, StaleServed, Invalidated uint64
}

// Reply is the result of Ask: a token, an error, or waiting.
type Reply struct {
	Token   *token.Token
	IsNew   bool         // if Token: fetched for this request, by this worker
	Err     *token.Error // why there is no token, and none to wait for
	Waiting bool         // for a fetch: the Waiter will be notified
	Ticket  Ticket       // if Waiting
}
