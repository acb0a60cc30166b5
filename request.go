package main

import (
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"

	"token-fetch/internal/tokencache"
)

// requestContext is one request on its way to the upstream.
type requestContext struct {
	types.DefaultHttpContext
	plugin *pluginContext
	id     uint32
	target *target // nil: the plugin leaves the request alone
	state  requestState
	// wasPaused: a call under way may still refer to the request.
	wasPaused bool
	ownToken  bool              // it goes on with the token that its client brought
	entry     *tokencache.Entry // of the token that the request has or waits for; nil without a cache
	token     *tokencache.Token // with which it went on, for the upstream's verdict
	place     tokencache.Place  // in the queue of those that wait for the same token
}

type requestState int

const (
	arrived requestState = iota
	paused               // until the token call ends
	settled              // sent on, answered, or gone: it must not be touched again
)

var _ tokencache.Waiter = (*requestContext)(nil)

// OnHttpRequestHeaders decides on the request. With a cached token it makes one
// host call, the one that sets the header.
func (r *requestContext) OnHttpRequestHeaders(int, bool) (action types.Action) {
	defer r.denyOnPanic(&action)
	r.target = r.plugin.targets[r.plugin.config.rules.match(r)]
	if r.target == nil {
		return types.ActionContinue
	}
	injectFault(faultOnRequest)
	if !r.target.scope.overwrite && r.bringsToken() {
		return r.goOnWithOwn()
	}
	if r.target.cache == nil {
		return r.callAlone()
	}
	return r.useCache()
}

func (r *requestContext) bringsToken() bool {
	value, err := proxywasm.GetHttpRequestHeader(r.target.scope.tokenHeader)
	return err == nil && value != ""
}

// useCache takes the token from the cache, or waits for a call that others may share.
func (r *requestContext) useCache() types.Action {
	cache, now := r.target.cache, r.plugin.now
	var of *caller
	if r.entry = cache.Common(); r.entry == nil {
		var ok bool
		if of, ok = r.caller(); !ok {
			return r.demandSubjectToken()
		}
		r.entry = cache.Find(of.key, now)
	}
	if r.entry != nil {
		if t := r.entry.Fresh(now); t != nil {
			r.plugin.metrics.cache.Hits++
			return r.goOn(t)
		}
	}
	if of != nil && r.plugin.isExpired(of) {
		return r.refuseSubject(errorExpired)
	}
	return r.ask(of)
}

func (r *requestContext) ask(of *caller) types.Action {
	// Before asking: an answer could come while this function still runs.
	r.pause()
	entry, reply := r.target.cache.Ask(of, r)
	r.entry = entry
	switch {
	case reply.Waiting:
		r.place = reply.Place
		return types.HeaderStopAllIterationAndWatermark
	case reply.Token != nil:
		return r.goOn(reply.Token)
	default:
		failed := failureOf(reply.Err)
		if failed.outcome == tooMany {
			r.target.client.logFailure(failed)
		}
		return r.goOnWithout(failed)
	}
}

// caller reads what the token depends on.
func (r *requestContext) caller() (*caller, bool) {
	scope := r.target.scope
	var headers [][2]string
	if len(scope.forwardHeaders) > 0 {
		headers, _ = proxywasm.GetHttpRequestHeaders()
	} else if value, err := proxywasm.GetHttpRequestHeader(scope.exchange.header); err == nil {
		headers = [][2]string{{scope.exchange.header, value}}
	}
	return scope.caller(headers)
}

// isExpired reports whether the token that the caller has brought says so itself.
func (p *pluginContext) isExpired(of *caller) bool {
	expiry, ok := of.subjectExpiry()
	return ok && !p.Wall().Before(expiry)
}

// callAlone makes a call for this request only, as the guide's sample does.
func (r *requestContext) callAlone() types.Action {
	call := r.target.scope.call
	if r.target.scope.dependsOnCaller() {
		of, ok := r.caller()
		if !ok {
			return r.demandSubjectToken()
		}
		call = r.target.scope.callFor(of)
	}
	r.pause()
	done := &requestCall{request: r, sentAt: r.plugin.Monotonic()}
	if failed := r.target.client.send(call, done); failed != nil {
		return r.goOnWithout(failed)
	}
	return types.HeaderStopAllIterationAndWatermark
}

func (r *requestContext) pause() { r.state, r.wasPaused = paused, true }

// OnHttpRequestTrailers takes the protected names out of the trailers, where an upstream could take them
// for headers. Envoy calls it for requests that have trailers, and not before the request goes on.
func (r *requestContext) OnHttpRequestTrailers(int) types.Action {
	defer r.plugin.logPanic()
	if r.target == nil {
		return types.ActionContinue
	}
	names := r.target.scope.protected
	if r.ownToken {
		names = names[1:]
	}
	for _, name := range names {
		_ = proxywasm.RemoveHttpRequestTrailer(name) // fails for one that is not there only
	}
	return types.ActionContinue
}

// OnHttpStreamDone is the end of the request, also of one whose client has gone
// while it was paused. Envoy has the whole answer then, and no entry into the VM is
// needed for its headers.
func (r *requestContext) OnHttpStreamDone() {
	defer r.plugin.logPanic()
	r.place.Leave()
	r.place = tokencache.Place{}
	if r.token != nil && r.entry != nil {
		r.heedUpstream()
	}
	r.state = settled
}

// heedUpstream drops the token when the upstream has rejected it.
func (r *requestContext) heedUpstream() {
	invalidateOn := r.target.scope.cache.invalidateOn
	if len(invalidateOn) == 0 {
		return
	}
	if contains(invalidateOn, responseStatus()) && isFromUpstream() {
		r.target.cache.Reject(r.entry, r.token)
	}
}

// isFromUpstream tells the upstream's answer from one that another filter has given.
func isFromUpstream() bool {
	details, err := proxywasm.GetProperty([]string{"response", "code_details"})
	return err != nil || string(details) == "via_upstream"
}
