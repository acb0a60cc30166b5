package main

import (
	"token-fetch/internal/cache"
	"token-fetch/internal/token"
	"token-fetch/internal/tokenservice"
)

// chain is a client whose calls refer to named tokens. These come first: each from its own cache, and so by a call of its own
// only where that has none.
type chain struct {
	client *client
	links  []cached // of the named tokens, in the order of the service's Links
}

var _ token.Source = (*chain)(nil)

// Fetch has done told what came of the call, or of the first named token that is not to be had.
func (c *chain) Fetch(q token.Query, done func(token.Token, *token.Error)) {
	f := &chainFetch{chain: c, query: q, done: done}
	f.caller, _ = q.Caller.(*tokenservice.Caller)
	for i := range c.links {
		f.links = append(f.links, &chainLink{fetch: f, index: i})
	}
	f.collect()
}

// chainFetch is a token on its way.
//
//	collect ──▶ arrived ──▶ call ──▶ end
//	   ▲                     │ the service does not take a named token any more
//	   └──────── once ───────┘
type chainFetch struct {
	chain    *chain
	query    token.Query
	caller   *tokenservice.Caller // nil where the token does not depend on it
	done     func(token.Token, *token.Error)
	links    []*chainLink
	pending  int          // named tokens that are not there yet, and collect while it runs
	refusal  *token.Error // of the first call, when this is the second
	hasEnded bool
}

// chainLink is a named token of the fetch.
type chainLink struct {
	fetch    *chainFetch
	index    int
	entry    *cache.Entry
	ticket   cache.Ticket
	token    *token.Token // nil: not there yet
	isNew    bool         // it was fetched for this very call
	rejected token.ID     // the one that the first call was made with, if the service did not take it
}

var (
	_ cache.Waiter = (*chainLink)(nil)
	_ token.Cause  = (*chainLink)(nil)
)

// collect asks for the named tokens that are not there.
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
	link := f.chain.links[l.index]
	var caller token.Caller
	if c := f.chain.client.part.service.CallerOf(l.index, f.caller); c != nil {
		caller = c
	}
	entry, reply := link.cache.Ask(caller, l)
	l.entry = entry
	switch {
	case reply.Waiting:
		l.ticket = reply.Ticket
	case reply.Token != nil:
		l.isNew = reply.IsNew
		l.receive(reply.Token)
	default:
		if reply.Err.Reason == token.TooMany {
			link.client.logFailure(reply.Err)
		}
		f.end(token.Token{}, reply.Err)
	}
}

// Proceed is told of a named token that was waited for.
func (l *chainLink) Proceed(t *token.Token) {
	defer l.fetch.failOnPanic()
	l.isNew = !t.IsShared // or others may have had it for long
	l.receive(t)
}

// Fail is told of one that is not to be had.
func (l *chainLink) Fail(err *token.Error) {
	defer l.fetch.failOnPanic()
	l.fetch.end(token.Token{}, err)
}

// Headers are those of the request that waits for the whole chain.
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
	if !hasNew { // there is none yet: the same call would be answered in the same way
		f.chain.client.logCallFailed(f.refusal) // it is counted
		f.end(token.Token{}, f.refusal)
		return
	}
	f.chain.client.call(f.query, named, f.retry, f.end)
}

// repeats reports whether the call is made once more, as the service may have refused named tokens that were good when they
// were fetched: these are rejected. What was fetched for this very call is not to blame.
func (f *chainFetch) retry(err *token.Error) bool {
	// A token that the request itself has brought is not mended by a new link, and any client can bring a bad one.
	isClientFault := err.Reason == token.SubjectRefused && f.chain.client.part.service.RequestBringsSubject()
	if f.refusal != nil || f.hasEnded || isClientFault {
		return false
	}
	for _, l := range f.links {
		link := f.chain.links[l.index]
		if l.isNew || !link.client.part.cache.rejectsByCall(err) {
			continue
		}
		link.client.rejected.add(f.chain.client.host, "token service "+f.chain.client.name.String(), err.Detail)
		link.cache.Reject(l.entry, l.token.ID)
		l.rejected, l.token = l.token.ID, nil
		f.refusal = err
	}
	if f.refusal == nil {
		return false
	}
	f.chain.client.countCallFailed(err)
	f.collect()
	return true
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

// failOnPanic leaves nobody waiting when the plugin panics with a named token.
func (f *chainFetch) failOnPanic() {
	if cause := recover(); cause != nil {
		logPanic(f.chain.client.host, cause)
		f.end(token.Token{}, errInternal)
	}
}
