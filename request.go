package main

import (
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
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
	life      *tokenLife // of the token that the request has or waits for; nil without a cache
	token     *token     // with which it went on, for the upstream's verdict
	place     place      // in the queue of life's call, while paused for it
}

type requestState int

const (
	arrived requestState = iota
	paused               // until the token call ends
	settled              // sent on, answered, or gone: it must not be touched again
)

var _ waiter = (*requestContext)(nil)

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
	if r.target.source == nil {
		return r.callAlone()
	}
	return r.useSource()
}

func (r *requestContext) bringsToken() bool {
	value, err := proxywasm.GetHttpRequestHeader(r.target.scope.tokenHeader)
	return err == nil && value != ""
}

// useSource takes the token from the cache, or waits for a call that others may share.
func (r *requestContext) useSource() types.Action {
	source := r.target.source
	r.life = source.common
	if r.life == nil {
		caller, ok := r.caller()
		if !ok {
			return r.demandSubjectToken()
		}
		r.life = source.life(caller)
	}
	if t := r.life.freshAt(r.plugin.now); t != nil {
		r.plugin.metrics.cacheHits.increment()
		return r.goOn(t)
	}
	// Before asking: an answer could come while this function still runs.
	r.pause()
	reply := source.ask(r.life, r)
	switch reply.told {
	case waiting:
		r.place = reply.place
		return types.HeaderStopAllIterationAndWatermark
	case denied:
		return r.goOnWithout(reply.failure)
	default:
		return r.goOn(reply.token)
	}
}

// caller reads what the token depends on.
func (r *requestContext) caller() (caller, bool) {
	scope := r.target.scope
	var headers [][2]string
	if len(scope.forwardHeaders) > 0 {
		headers, _ = proxywasm.GetHttpRequestHeaders()
	} else if value, err := proxywasm.GetHttpRequestHeader(scope.exchange.header); err == nil {
		headers = [][2]string{{scope.exchange.header, value}}
	}
	return scope.caller(headers)
}

// callAlone makes a call for this request only, as the guide's sample does.
func (r *requestContext) callAlone() types.Action {
	call := r.target.scope.call
	if r.target.scope.dependsOnCaller() {
		caller, ok := r.caller()
		if !ok {
			return r.demandSubjectToken()
		}
		call = caller.call
	}
	r.pause()
	done := &requestCall{request: r, sentAt: r.plugin.monotonic()}
	if failed := r.target.client.send(call, done); failed != nil {
		return r.goOnWithout(*failed)
	}
	return types.HeaderStopAllIterationAndWatermark
}

func (r *requestContext) pause() { r.state, r.wasPaused = paused, true }

// OnHttpStreamDone is the end of the request, also of one whose client has gone
// while it was paused. Envoy has the whole answer then, and no entry into the VM is
// needed for its headers.
func (r *requestContext) OnHttpStreamDone() {
	defer r.plugin.logPanic()
	if r.place != nil {
		r.life.call.leave(r.place)
		r.place = nil
	}
	if r.token != nil && r.life != nil {
		r.heedUpstream()
	}
	r.state = settled
}

// heedUpstream drops the token when the upstream has refused it.
func (r *requestContext) heedUpstream() {
	invalidateOn := r.life.policy.invalidateOn
	if len(invalidateOn) == 0 {
		return
	}
	if contains(invalidateOn, responseStatus()) && isFromUpstream() {
		r.target.source.refused(r.life, r.token)
	}
}

// isFromUpstream tells the upstream's answer from one that another filter has given.
func isFromUpstream() bool {
	details, err := proxywasm.GetProperty([]string{"response", "code_details"})
	return err != nil || string(details) == "via_upstream"
}
