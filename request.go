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
	part   *part // the part of the configuration for this request; nil: it bypasses the plugin
	state  requestState
	// wasPaused: a call in flight may still refer to the request.
	wasPaused bool
	ownToken  bool // the request keeps the token that its client sent

	// Only for a request whose token comes from a cache; otherwise nil.
	cache *cache.Cache
	log   *serviceLog  // of the service that issues the cache's tokens
	entry *cache.Entry // has the token, or will have it
	token *token.Token // the token it was forwarded with, in case the upstream rejects that token
	// metadataChecks are entries of invalidateWhen that match except for metadata, which filters set while the body
	// passes.
	metadataChecks []*config.Rejection
	ticket         cache.Ticket // while waiting for a token
}

type requestState int

const (
	arrived requestState = iota
	paused               // until the token call ends
	settled              // forwarded, answered, or gone: must not be touched again
)

var (
	_ cache.Waiter = (*requestContext)(nil)
	_ abi.Request  = (*requestContext)(nil)
	_ token.Cause  = (*requestContext)(nil)
)

// mode is how the requests of a part get their token.
type mode interface {
	// handle decides on a request that has just arrived and does not keep a token of its own.
	handle(r *requestContext) types.Action
	configPart() *part // nil: requests bypass the plugin
}

type (
	bypass struct{}
	// uncached, for a part without a cache, makes a call for each request.
	uncached struct {
		part   *part
		source token.Source
	}
	// cached shares tokens between requests.
	cached struct {
		part  *part
		log   *serviceLog
		cache *cache.Cache
	}
)

func (bypass) configPart() *part     { return nil }
func (m uncached) configPart() *part { return m.part }
func (m cached) configPart() *part   { return m.part }

// OnHttpRequestHeaders decides on the request. With a cached token it makes one host call, which sets the header, plus
// one per header whose token was exchanged, unless that is the same header. A request with a body takes two more, for
// the headers that name others, and a configuration with savedHeaders one.
func (r *requestContext) OnHttpRequestHeaders(_ int, endOfStream bool) (action types.Action) {
	defer r.denyOnPanic(&action)
	if r.plugin.isCalling {
		return types.ActionContinue
	}
	m := r.plugin.global
	number, ok := r.plugin.rules.Match(r)
	if !ok {
		return r.refuseAuthority()
	}
	if number != rules.None {
		m = r.plugin.modes[number]
	}
	r.part = m.configPart()
	if !r.restoreHeaders() {
		return r.denyInternal()
	}
	if r.part == nil {
		return types.ActionContinue
	}
	fault.Inject(fault.OnRequest)
	r.ownToken = !r.part.Overwrite && r.hasOwnToken()
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
	if len(r.part.BypassMethods) == 0 {
		return false
	}
	method, _ := abi.RequestHeader(":method")
	return slices.Contains(r.part.BypassMethods, method)
}

func (r *requestContext) hasOwnToken() bool {
	if r.part.Service.Cookies != nil {
		return r.part.Service.HasTokenCookie(r.cookieLines())
	}
	value, err := proxywasm.GetHttpRequestHeader(r.part.Service.TokenHeader())
	return err == nil && strings.Trim(value, " \t") != "" // HTTP/2 allows surrounding blanks, which the upstream would strip
}

func (bypass) handle(*requestContext) types.Action { return types.ActionContinue }

func (m uncached) handle(r *requestContext) types.Action {
	var caller token.Caller
	if m.part.Service.DependsOnCaller() {
		values, err := r.callerValues()
		if err != nil {
			return r.handleMissing(err)
		}
		requestCaller := m.part.Service.Caller(values)
		if requestCaller.HasExpired(r.plugin.Wall()) {
			return r.refuseSubject(errorExpired)
		}
		caller = requestCaller
	}
	r.pause()
	switch result := token.FetchNow(m.source, token.Query{Caller: caller, Cause: r}, r.settleLater); {
	case result == nil:
		return types.HeaderStopAllIterationAndWatermark
	case result.Err != nil:
		return r.applyFailurePolicy(result.Err)
	default:
		return r.forward(&result.Token)
	}
}

func (r *requestContext) settleLater(t token.Token, err *token.Error) {
	if err != nil {
		r.Fail(err)
		return
	}
	r.Proceed(&t)
}

func (m cached) handle(r *requestContext) types.Action {
	r.cache, r.log = m.cache, m.log
	if common := m.cache.Common(); common != nil {
		return m.handleCommon(r, common)
	}
	return m.handleCaller(r)
}

// handleCommon is for a token that all callers share.
func (m cached) handleCommon(r *requestContext, common *cache.Entry) types.Action {
	r.entry = common
	if t := m.cache.Fresh(r.entry, r.plugin.now); t != nil {
		return r.forward(t)
	}
	return m.ask(r, nil)
}

// handleCaller is for a token that depends on the caller.
func (m cached) handleCaller(r *requestContext) types.Action {
	values, err := r.callerValues()
	if err != nil {
		return r.handleMissing(err)
	}
	r.entry = m.cache.Find(values, r.plugin.now)
	if t := m.cache.Fresh(r.entry, r.plugin.now); t != nil {
		return r.forward(t)
	}
	caller := m.part.Service.Caller(values)
	if caller.HasExpired(r.plugin.Wall()) {
		m.cache.Stats.Misses++
		return r.refuseSubject(errorExpired)
	}
	return m.ask(r, caller)
}

func (m cached) ask(r *requestContext, caller token.Caller) types.Action {
	// Pause first: the result could arrive while Ask is still running.
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
		m.log.logFailure(reply.Err)
	}
	return r.applyFailurePolicy(reply.Err)
}

func (r *requestContext) pause() { r.state, r.wasPaused = paused, true }

// Headers returns headers of the request, for a call that it causes.
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

// OnDeleted ends the request, including one whose client has gone while it was paused.
func (r *requestContext) OnDeleted() {
	r.OnHttpStreamDone()
	r.plugin.reuse(r)
}

// OnHttpStreamDone is called by the SDK's emulator instead of OnDeleted.
func (r *requestContext) OnHttpStreamDone() {
	defer r.plugin.logPanic()
	r.ticket.Cancel()
	r.ticket = cache.Ticket{}
	r.checkMetadata()
	r.state = settled
}
