package main

import (
	"slices"
	"strings"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"

	"token-fetch/internal/abi"
	"token-fetch/internal/cache"
	"token-fetch/internal/config"
	"token-fetch/internal/fault"
	"token-fetch/internal/rules"
	"token-fetch/internal/token"
)

// requestContext is one request on its way to the upstream.
type requestContext struct {
	types.DefaultHttpContext
	plugin *pluginContext
	id     uint32
	part   *part // to which it belongs; nil: the plugin leaves it alone
	state  requestState
	// wasPaused: a call under way may still refer to the request.
	wasPaused bool
	ownToken  bool // it goes on with the token that its client brought

	// Of one that takes its token from a cache; else nil.
	cache  *cache.Cache
	client *client      // of the cache
	entry  *cache.Entry // of the token that it has or waits for
	token  *token.Token // with which it went on, for the upstream's verdict
	// metadataChecks are entries of invalidateWhen that hold but for the metadata, which filters set as the body passes.
	metadataChecks []*config.Rejection
	ticket         cache.Ticket // in the queue of those that wait for the same token
}

type requestState int

const (
	arrived requestState = iota
	paused               // until the token call ends
	settled              // sent on, answered, or gone: it must not be touched again
)

var (
	_ cache.Waiter = (*requestContext)(nil)
	_ abi.Request  = (*requestContext)(nil)
	_ token.Cause  = (*requestContext)(nil)
)

// mode is how the requests of a part come to their token.
type mode interface {
	// handle decides on a request that has just arrived, and brings no token that it may keep.
	handle(r *requestContext) types.Action
	configPart() *part // whose requests it takes; nil: they are left alone
}

type (
	bypass struct{}
	// uncached makes a call for each request, as the guide's sample for plugin developers does.
	uncached struct {
		part   *part
		source token.Source
	}
	// cached has requests that need the same token share it.
	cached struct {
		part   *part
		client *client
		cache  *cache.Cache
	}
)

func (bypass) configPart() *part     { return nil }
func (m uncached) configPart() *part { return m.part }
func (m cached) configPart() *part   { return m.part }

// OnHttpRequestHeaders decides on the request. With a cached token it makes one host call, the one that sets the
// header, and one more for each header whose token was exchanged, unless that is the same. A request with a body makes two
// more, which ask for fields that name headers.
func (r *requestContext) OnHttpRequestHeaders(_ int, endOfStream bool) (action types.Action) {
	defer r.denyOnPanic(&action)
	m := r.plugin.global
	number, ok := r.plugin.rules.Match(r)
	if !ok {
		return r.refuseAuthority()
	}
	if number != rules.None {
		m = r.plugin.modes[number]
	}
	r.part = m.configPart()
	if r.part == nil {
		return types.ActionContinue
	}
	fault.Inject(fault.OnRequest)
	if !r.restoreHeaders() {
		return r.applyFailurePolicy(errInternal)
	}
	r.ownToken = !r.part.overwrite && r.hasOwnToken()
	if !endOfStream && !r.hideFromNextHop() {
		return r.applyFailurePolicy(errInternal)
	}
	if r.ownToken {
		return r.forwardWithOwnToken()
	}
	if r.isBypassed() {
		return r.forwardWithoutToken()
	}
	return m.handle(r)
}

// isBypassed reports whether the request's method needs no token, such as OPTIONS of a CORS preflight.
func (r *requestContext) isBypassed() bool {
	if len(r.part.bypass) == 0 {
		return false
	}
	method, _ := abi.RequestHeader(":method")
	return slices.Contains(r.part.bypass, method)
}

func (r *requestContext) hasOwnToken() bool {
	if r.part.service.Cookies != nil {
		return r.part.service.HasTokenCookie(r.cookieLines())
	}
	value, err := proxywasm.GetHttpRequestHeader(r.part.service.TokenHeader())
	return err == nil && strings.Trim(value, " \t") != "" // HTTP/2 carries blanks, which the upstream would take off
}

func (bypass) handle(*requestContext) types.Action { return types.ActionContinue }

func (m uncached) handle(r *requestContext) types.Action {
	var caller token.Caller
	if m.part.service.DependsOnCaller() {
		values, err := r.callerValues()
		if err != nil {
			return r.handleMissing(err)
		}
		requestCaller := m.part.service.Caller(values)
		if requestCaller.HasExpired(r.plugin.Wall()) {
			return r.refuseSubject(errorExpired)
		}
		caller = requestCaller
	}
	r.pause()
	call := &requestCall{request: r}
	m.source.Fetch(token.Query{Caller: caller, Cause: r}, call.end)
	call.hasReturned = true
	switch {
	case call.failed != nil:
		return r.applyFailurePolicy(call.failed)
	case call.token != nil:
		return r.forward(call.token)
	}
	return types.HeaderStopAllIterationAndWatermark
}

// requestCall is the call of one request for itself.
type requestCall struct {
	request     *requestContext
	hasReturned bool
	// What came at once, so that there is no paused request to be resumed.
	token  *token.Token
	failed *token.Error
}

func (c *requestCall) end(t token.Token, err *token.Error) {
	switch {
	case !c.hasReturned && err != nil:
		c.failed = err
	case !c.hasReturned:
		c.token = &t
	case err != nil:
		c.request.Fail(err)
	default:
		c.request.Proceed(&t)
	}
}

func (m cached) handle(r *requestContext) types.Action {
	r.cache, r.client = m.cache, m.client
	now := r.plugin.now
	var values []byte // of the caller
	if r.entry = m.cache.Common(); r.entry == nil {
		var err error
		if values, err = r.callerValues(); err != nil {
			return r.handleMissing(err)
		}
		r.entry = m.cache.Find(values, now)
	}
	if r.entry != nil {
		if t := r.entry.Fresh(now); t != nil {
			m.cache.Stats.Hits++
			return r.forward(t)
		}
	}
	if m.cache.Common() != nil {
		return m.ask(r, nil)
	}
	caller := r.part.service.Caller(values)
	if caller.HasExpired(r.plugin.Wall()) {
		m.cache.Stats.Misses++
		return r.refuseSubject(errorExpired)
	}
	return m.ask(r, caller)
}

func (m cached) ask(r *requestContext, caller token.Caller) types.Action {
	// Before asking: a result could come while this function still runs.
	r.pause()
	entry, reply := m.cache.Ask(caller, r)
	r.entry = entry
	switch {
	case reply.Waiting:
		r.ticket = reply.Ticket
		return types.HeaderStopAllIterationAndWatermark
	case reply.Token != nil:
		return r.forward(reply.Token)
	}
	if reply.Err.Reason == token.TooMany {
		m.client.logFailure(reply.Err)
	}
	return r.applyFailurePolicy(reply.Err)
}

func (r *requestContext) pause() { r.state, r.wasPaused = paused, true }

// Headers are those that a call sends along which the request causes.
func (r *requestContext) Headers(names []string) (found [][2]string) {
	if r.state != paused || proxywasm.SetEffectiveContext(r.id) != nil {
		return nil
	}
	for _, header := range abi.RequestHeaders(nil) {
		if slices.Contains(names, header[0]) {
			found = append(found, header)
		}
	}
	return found
}

// OnHttpRequestTrailers takes the names that must not go on out of the trailers, where an upstream could take them
// for headers. Envoy calls it for requests that have trailers, and not before the request goes on.
func (r *requestContext) OnHttpRequestTrailers(int) types.Action {
	defer r.plugin.logPanic()
	if r.part == nil {
		return types.ActionContinue
	}
	removeTrailers(r.protected())
	removeTrailers(r.part.service.ExchangedHeaders()) // also where the header or cookie itself is kept
	return types.ActionContinue
}

func removeTrailers(names []string) {
	for _, name := range names {
		_ = proxywasm.RemoveHttpRequestTrailer(name) // fails for one that is not there only
	}
}

// OnDeleted is the last of the request, also of one whose client has gone while it was paused.
func (r *requestContext) OnDeleted() {
	r.OnHttpStreamDone()
	r.plugin.reuse(r)
}

// OnHttpStreamDone is what the SDK's emulator calls in place of OnDeleted.
func (r *requestContext) OnHttpStreamDone() {
	defer r.plugin.logPanic()
	r.ticket.Cancel()
	r.ticket = cache.Ticket{}
	r.checkMetadata()
	r.state = settled
}
