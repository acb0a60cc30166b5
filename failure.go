package main

import (
	"fmt"
	"strconv"
	"time"

	"token-fetch/internal/config"
	"token-fetch/internal/token"
	"token-fetch/internal/tokenservice"
)

// failurePolicy decides what happens to a request without a token. Nothing else does.
type failurePolicy config.Failure

func (p *part) failurePolicy() *failurePolicy { return (*failurePolicy)(&p.Failure) }

// denies reports whether the request is answered; otherwise it is forwarded without a token. A refused subject is
// always denied, with a reply of its kind.
func (p *failurePolicy) denies(o token.Outcome) bool {
	switch {
	case o == token.OutcomeInternalError || o == token.OutcomeSubjectRefused || p.Mode == config.Deny:
		return true // never let a request through after a panic
	case p.Mode == config.Allow:
		return false
	default:
		return o == token.OutcomeCallFailed || o == token.OutcomeTooMany
	}
}

// consequence says for the log what happens to requests.
func (p *failurePolicy) consequence(o token.Outcome) string {
	if p.denies(o) {
		return fmt.Sprintf("requests without a token are answered %d", p.Status)
	}
	return "requests are forwarded without a token"
}

// replyHeaders returns the headers of a reply. wait is the time until the next call, which goes into Retry-After; 0 if
// unknown.
func (p *failurePolicy) replyHeaders(wait time.Duration) [][2]string {
	if wait <= 0 || p.Status != 429 && p.Status != 503 {
		return p.Headers
	}
	if _, isConfigured := tokenservice.FirstHeader(p.Headers, "retry-after"); isConfigured {
		return p.Headers
	}
	wait = min(wait, token.MaxRetryAfter)             // without a cache, it is what the token service asks for
	seconds := (wait + time.Second - 1) / time.Second // rounded up, so that no client comes back too early
	return append(p.Headers[:len(p.Headers):len(p.Headers)], [2]string{"retry-after", strconv.Itoa(int(seconds))})
}
