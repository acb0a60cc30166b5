package main

import (
	"token-fetch/internal/cache"
	"token-fetch/internal/token"
	"token-fetch/internal/tokenservice"
)

// referrer is a Source whose tokens may refer to named tokens: a client or a signer.
type referrer interface {
	token.Source
	// fetchWith is Fetch with the values of the named tokens, in the order of the service's Links. A failure is not
	// recorded in the serviceLog: that is up to done, which may fetch again.
	fetchWith(named []string, q token.Query, done func(token.Token, *token.Error))
}

// chain is a Source that refers to named tokens. It obtains these first, each from its cache, which makes a call if
// necessary.
type chain struct {
	service *tokenservice.Service
	inner   referrer
	log     *serviceLog // of inner
	caches  []cached    // of the named tokens, in the order of the service's Links
}

var _ token.Source = (*chain)(nil)

// Fetch obtains the named tokens, then makes the call. It fails with the first named token that can't be obtained.
func (c *chain) Fetch(q token.Query, done func(token.Token, *token.Error)) {
	f := &chainFetch{chain: c, query: q, done: done}
	f.caller, _ = q.Caller.(*tokenservice.Caller)
	for i, named := range c.caches {
		f.links = append(f.links, &chainLink{fetch: f, index: i, from: named})
	}
	f.collect()
}

// chainFetch is one Fetch.
//
//	collect ──▶ linkReady ──▶ call ──▶ answered ──▶ end
//	   ▲                                  │ the service no longer accepts a named token
//	   └────────────── once ──────────────┘
type chainFetch struct {
	chain    *chain
	query    token.Query
	caller   *tokenservice.Caller // nil if the token does not depend on the caller
	done     func(token.Token, *token.Error)
	links    []*chainLink
	pending  int          // named tokens still missing, plus one while collect runs
	refusal  *token.Error // of the first call, if this is the second
	hasEnded bool
}

// chainLink is a named token of the fetch.
type chainLink struct {
	fetch    *chainFetch
	index    int
	from     cached // the cache that has it
	entry    *cache.Entry
	ticket   cache.Ticket
	token    *token.Token // nil: not there yet
	isNew    bool         // fetched for this very call
	rejected token.ID     // the token that the first call used and the service did not accept
}

var (
	_ cache.Waiter = (*chainLink)(nil)
	_ token.Cause  = (*chainLink)(nil)
)

// collect asks for the named tokens that are missing.
func (f *chainFetch) collect() {
	f.pending = 1
	for _, l := range f.links {
		if l.token == nil && !f.hasEnded {
			f.pending++
			l.ask()
		}
	}
	f.linkReady()
}

func (l *chainLink) ask() {
	f := l.fetch
	var caller token.Caller
	if c := f.chain.service.CallerOf(l.index, f.caller); c != nil {
		caller = c
	}
	entry, reply := l.from.cache.Ask(caller, l)
	l.entry = entry
	switch {
	case reply.Waiting:
		l.ticket = reply.Ticket
	case reply.Token != nil:
		l.isNew = reply.IsNew
		l.receive(reply.Token)
	default:
		if reply.Err.Reason == token.TooMany {
			l.from.log.logFailure(reply.Err)
		}
		f.end(token.Token{}, reply.Err)
	}
}

// Proceed receives a named token that the link waited for.
func (l *chainLink) Proceed(t *token.Token) {
	defer l.fetch.failOnPanic()
	l.isNew = !t.IsShared // otherwise another worker or gateway may have used it for some time
	l.receive(t)
}

// Fail reports that the named token can't be obtained.
func (l *chainLink) Fail(err *token.Error) {
	defer l.fetch.failOnPanic()
	l.fetch.end(token.Token{}, err)
}

// Headers returns headers of the request that waits for the whole chain.
func (l *chainLink) Headers(names []string) [][2]string {
	if l.fetch.query.Cause == nil {
		return nil
	}
	return l.fetch.query.Cause.Headers(names)
}

func (l *chainLink) receive(t *token.Token) {
	l.token, l.ticket = t, cache.Ticket{}
	l.fetch.linkReady()
}

func (f *chainFetch) linkReady() {
	f.pending--
	if f.pending == 0 && !f.hasEnded {
		f.call()
	}
}

func (f *chainFetch) call() {
	var named []string
	hasNew := f.refusal == nil
	for _, l := range f.links {
		named = append(named, l.token.Values[0])
		hasNew = hasNew || l.rejected != 0 && l.token.ID != l.rejected
	}
	if !hasNew { // no new token yet: the same call would fail in the same way
		f.chain.log.logFailure(f.refusal) // already counted
		f.end(token.Token{}, f.refusal)
		return
	}
	f.chain.inner.fetchWith(named, f.query, f.answered)
}

// answered ends the fetch, or replaces the named tokens to which the failure may be due, for a second call.
func (f *chainFetch) answered(t token.Token, err *token.Error) {
	switch {
	case err == nil:
		f.end(t, nil)
	case f.rejectLinks(err):
		f.chain.log.countFailure(err) // the second call decides what the log says
		f.collect()
	default:
		f.chain.log.fetchFailed(err)
		f.end(token.Token{}, err)
	}
}

// rejectLinks rejects the named tokens that the first call used, except those fetched for this very call, if they may
// be revoked. It reports whether there are any.
func (f *chainFetch) rejectLinks(err *token.Error) bool {
	// New named tokens would not help if the client's own token is bad, and any client can send a bad one.
	isClientFault := err.Reason == token.SubjectRefused && f.chain.service.RequestBringsSubject()
	if f.refusal != nil || f.hasEnded || isClientFault {
		return false
	}
	for _, l := range f.links {
		if l.isNew || !l.from.part.rejectsByCall(err) {
			continue
		}
		l.from.log.tokenRejected("token service "+f.chain.log.label.String(), err.Detail)
		l.from.cache.Reject(l.entry, l.token.ID)
		l.rejected, l.token = l.token.ID, nil
		f.refusal = err
	}
	return f.refusal != nil
}

func (f *chainFetch) end(t token.Token, err *token.Error) {
	if f.hasEnded {
		return
	}
	f.hasEnded = true
	for _, l := range f.links {
		l.ticket.Cancel()
	}
	f.done(t, err)
}

// failOnPanic fails the fetch if the plugin panics while handling a named token.
func (f *chainFetch) failOnPanic() {
	if cause := recover(); cause != nil {
		logPanic(f.chain.log.host, cause)
		f.end(token.Token{}, errInternal)
	}
}
