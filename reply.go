package main

import (
	"errors"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"

	"token-fetch/internal/cache"
	"token-fetch/internal/config"
	"token-fetch/internal/token"
	"token-fetch/internal/tokenservice"
)

// This file settles requests: it forwards them with or without a token, or answers them. While the host still waits for
// what OnHttpRequestHeaders returns, forward… and applyFailurePolicy say what that is. Later, Proceed and Fail resume or
// answer the request. Nothing touches a settled request.

// forwardWithOwnToken lets the client's token pass, but not other protected headers.
func (r *requestContext) forwardWithOwnToken() types.Action {
	if !r.removeHeaders(r.protected()) {
		r.ownToken = false
		return r.applyFailurePolicy(errInternal)
	}
	r.state = settled
	return types.ActionContinue
}

// forward sets the token's headers and lets the request continue.
func (r *requestContext) forward(t *token.Token) types.Action {
	if !r.setHeaders(t.Values) {
		return r.applyFailurePolicy(errInternal)
	}
	r.token, r.state = t, settled
	return types.ActionContinue
}

// applyFailurePolicy answers the request or lets it continue without a token, according to the policy.
func (r *requestContext) applyFailurePolicy(err *token.Error) types.Action {
	if r.settleByPolicy(err) {
		return types.ActionContinue
	}
	return types.HeaderStopAllIterationAndWatermark
}

// Proceed implements cache.Waiter: it resumes the request with the token that it waited for.
func (r *requestContext) Proceed(t *token.Token) {
	if !r.enter() {
		return
	}
	defer r.denyOnPanic(nil)
	if !r.setHeaders(t.Values) {
		r.deny(errInternal)
		return
	}
	r.token, r.state = t, settled
	r.resume()
}

// Fail implements cache.Waiter: it answers the request or resumes it without a token, according to the policy.
func (r *requestContext) Fail(err *token.Error) {
	if !r.enter() {
		return
	}
	defer r.denyOnPanic(nil)
	if r.settleByPolicy(err) {
		r.resume()
	}
}

var (
	errInternal = &token.Error{Reason: token.Internal} // the plugin's fault
	errMissing  = &token.Error{Reason: token.Missing}  // the client's fault
)

// enter makes the request the target of host calls. It returns false if the request is no longer paused, or gone.
func (r *requestContext) enter() bool {
	r.ticket = cache.Ticket{}
	if r.state != paused {
		return false
	}
	if err := proxywasm.SetEffectiveContext(r.id); err != nil {
		r.state = settled // the client has gone, and the host has deleted the request
		return false
	}
	return true
}

func (r *requestContext) resume() {
	if err := proxywasm.ResumeHttpRequest(); err != nil {
		r.plugin.logf(logError, "a paused request can't be resumed: %v", err)
	}
}

// settleByPolicy answers the request, or removes the protected headers and returns true: the caller must then let it
// continue. It is the last step for every request without a token.
func (r *requestContext) settleByPolicy(err *token.Error) (forwarded bool) {
	if err.Reason == token.Missing {
		r.metrics().referencesMissing++
	}
	if r.part.failurePolicy().denies(err.Reason.Outcome()) {
		r.deny(err)
		return false
	}
	if !r.removeProtected() {
		r.deny(errInternal)
		return false
	}
	r.metrics().allowedWithoutToken++
	r.state = settled
	return true
}

// deny answers the request according to the policy, or with 401 if the caller's token was refused.
func (r *requestContext) deny(err *token.Error) {
	switch {
	case err.Reason == token.SubjectRefused && r.part.Service.TakesBearerToken():
		r.refuseSubject(errorRefused)
		return
	case err.Reason == token.SubjectRefused:
		r.refuseSubject(errorOtherRefused)
		return
	}
	policy := r.part.failurePolicy()
	r.reply(policy.Status, err.Reason.Outcome().Detail(), policy.Body, policy.replyHeaders(err.RetryAfter))
}

// subjectError is why a request is answered 401 because of its own token or other credentials.
type subjectError struct{ detail, body, challenge string }

var (
	errorExpired      = subjectError{"token_fetch.subject_expired", "the bearer token has expired", invalidToken}
	errorRefused      = subjectError{"token_fetch.subject_refused", "the bearer token was refused", invalidToken}
	errorOtherRefused = subjectError{"token_fetch.subject_refused", "the credentials were refused", ""}
)

// invalidToken is added to the challenge if the request has a bearer token (RFC 6750 section 3).
const invalidToken = `, error="invalid_token"` //nolint:gosec // no credential

// refuseSubject answers a request with the wrong credentials.
func (r *requestContext) refuseSubject(e subjectError) types.Action {
	r.metrics().subjectsRefused++
	r.challenge(e.detail, e.body, r.part.Challenge+e.challenge)
	return types.HeaderStopAllIterationAndWatermark
}

// forwardWithoutToken forwards a request that needs no token, without its protected headers.
func (r *requestContext) forwardWithoutToken() types.Action {
	if !r.removeProtected() {
		return r.applyFailurePolicy(errInternal)
	}
	r.state = settled
	return types.ActionContinue
}

// handleMissing settles a request that lacks the token to be exchanged, the actor's token, or another value that the
// call refers to.
func (r *requestContext) handleMissing(missing error) types.Action {
	if reference := (*tokenservice.MissingError)(nil); errors.As(missing, &reference) {
		r.plugin.reportMissing(r.part, missing)
		return r.applyFailurePolicy(errMissing)
	}
	if errors.Is(missing, tokenservice.ErrAnonymous) {
		r.metrics().allowedWithoutToken++
		return r.forwardWithoutToken()
	}
	r.metrics().subjectsMissing++
	detail, body := "token_fetch.no_subject_token", "bearer token required"
	if errors.Is(missing, tokenservice.ErrNoActorToken) {
		detail, body = "token_fetch.no_actor_token", "actor token required"
	}
	r.challenge(detail, body, r.part.Challenge)
	return types.HeaderStopAllIterationAndWatermark
}

// refuseAuthority answers a request whose host is ambiguous for rules by domain.
func (r *requestContext) refuseAuthority() types.Action {
	r.metrics().authoritiesRefused++
	r.reply(400, "token_fetch.bad_authority", []byte("invalid host"), [][2]string{{"content-type", config.PlainText}})
	return types.HeaderStopAllIterationAndWatermark
}

func (r *requestContext) challenge(detail, body, challenge string) {
	r.reply(401, detail, []byte(body), [][2]string{
		{"www-authenticate", challenge},
		{"content-type", config.PlainText},
	})
}

// reply answers at most once, because a second reply would hang the request.
func (r *requestContext) reply(status uint32, detail string, body []byte, headers [][2]string) {
	if r.state == settled {
		return
	}
	r.state = settled
	r.metrics().denied++
	if err := proxywasm.SendHttpResponseWithDetail(status, detail, headers, body, -1); err != nil {
		r.plugin.logf(logError, "a request can't be answered: %v", err)
	}
}

// metrics returns the metrics of the request's token service. A lookup instead of a field, because requests served from
// the cache don't need them.
func (r *requestContext) metrics() *metrics {
	if m, found := r.plugin.metricsOf[r.part]; found {
		return m
	}
	return r.plugin.metrics
}

// denyOnPanic answers the request if the plugin's code panics in a callback, so that it neither hangs nor goes on
// unchanged.
func (r *requestContext) denyOnPanic(action *types.Action) {
	cause := recover()
	if cause == nil {
		return
	}
	logPanic(r.plugin, cause)
	if stop := r.denyInternal(); action != nil {
		*action = stop
	}
}

// denyInternal answers the request because of the plugin's own failure.
func (r *requestContext) denyInternal() types.Action {
	if r.part == nil {
		r.reply(500, token.OutcomeInternalError.Detail(), nil, nil)
	} else {
		r.deny(errInternal)
	}
	return types.HeaderStopAllIterationAndWatermark
}
