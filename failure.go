package main

import (
	"fmt"
	"strconv"
	"time"

	"token-fetch/internal/config"
	"token-fetch/internal/token"
	"token-fetch/internal/tokenservice"
)

// failurePolicy says what becomes of a request that got no token. It is the
// only place where that is decided.
type failurePolicy config.Failure

// denies reports whether the request is answered; otherwise it goes on upstream without a
// token. A refused subject is always denied, by a reply of its own.
func (p *failurePolicy) denies(o token.Outcome) bool {
	switch {
	case o == token.OutcomeInternalError || o == token.OutcomeSubjectRefused || p.Mode == config.Deny:
		return true // what a panic left behind is never let through
	case p.Mode == config.Allow:
		return false
	default:
		return o == token.OutcomeCallFailed || o == token.OutcomeTooMany
	}
}

// consequence says for the log what the plugin does now.
func (p *failurePolicy) consequence(o token.Outcome) string {
	if p.denies(o) {
		return fmt.Sprintf("requests that have no token are answered %d", p.Status)
	}
	return "requests that have no token go on without one"
}

// replyHeaders are those of a reply to a request that no call will be made for before wait is over; 0 when that is
// not known.
func (p *failurePolicy) replyHeaders(wait time.Duration) [][2]string {
	if wait <= 0 || p.Status != 429 && p.Status != 503 {
		return p.Headers
	}
	if _, isConfigured := tokenservice.FirstHeader(p.Headers, "retry-after"); isConfigured {
		return p.Headers
	}
	wait = min(wait, token.MaxRetryAfter)             // of a call per request, it is what the token service asks for
	seconds := (wait + time.Second - 1) / time.Second // a client that comes earlier would come in vain
	return append(p.Headers[:len(p.Headers):len(p.Headers)], [2]string{"retry-after", strconv.Itoa(int(seconds))})
}
