package main

import (
	"container/list"
	"time"
)

// tokenSource gives requests their tokens: one for all of them or, where the
// configuration makes it depend on the caller, one each. It makes one call for all
// that need the same token, renews tokens before they expire, and shares those that
// belong to no caller with the other workers.
//
// All of a worker's calls run on one thread, so nothing here is guarded.
type tokenSource struct {
	client    *client
	policy    *cachePolicy
	sharedKey string // in shared data; empty: not shared

	common *tokenLife                 // of the token that is the same for all; nil where it depends on the caller
	lives  map[identity]*list.Element // of *tokenLife
	recent list.List                  // the lives, the latest used first
	wanted []*tokenLife               // whose calls the root context must start
}

func newTokenSource(c *client) *tokenSource {
	s := &tokenSource{client: c, policy: c.scope.cache, lives: map[identity]*list.Element{}}
	if c.scope.dependsOnCaller() {
		return s
	}
	s.common = s.life(caller{call: c.scope.call})
	if s.policy.shared {
		s.sharedKey = c.scope.identity.sharedKey()
	}
	return s
}

// life returns the life of the caller's token, and makes room for it.
func (s *tokenSource) life(c caller) *tokenLife {
	if element, ok := s.lives[c.key]; ok {
		s.recent.MoveToFront(element)
		return element.Value.(*tokenLife)
	}
	s.evict(s.policy.maxEntries - 1)
	life := &tokenLife{
		policy:  s.policy,
		caller:  c,
		retry:   backoff{first: s.policy.backoff},
		refused: backoff{first: s.policy.backoff},
	}
	s.lives[c.key] = s.recent.PushFront(life)
	return life
}

// evict drops the lives that were used least recently until limit are left. One
// with a call under way stays: requests wait for it.
func (s *tokenSource) evict(limit int) {
	for element := s.recent.Back(); element != nil && s.recent.Len() > limit; {
		previous := element.Prev()
		if life := element.Value.(*tokenLife); life.call.state == idle {
			delete(s.lives, life.caller.key)
			s.recent.Remove(element)
		}
		element = previous
	}
}

// ask is for a request that found no valid token in its life. It counts the hit or miss.
func (s *tokenSource) ask(life *tokenLife, w waiter) reply {
	now := s.client.host.monotonic()
	if t := life.valid(now); t != nil {
		s.client.metrics.cacheHits.increment()
		return reply{told: served, token: t}
	}
	if s.adoptShared(life, now) {
		s.client.metrics.cacheHits.increment()
		return reply{told: served, token: life.valid(now)}
	}
	s.client.metrics.cacheMisses.increment()
	underWay := life.call.state != idle
	reply, needsCall := life.ask(now, w)
	if needsCall {
		s.want(life)
	}
	switch {
	case reply.told == stale:
		s.client.metrics.staleServed.increment()
	case reply.told == waiting && underWay:
		s.client.metrics.coalesced.increment()
	}
	return reply
}

// want has the root context start the call of a life, if none is under way.
func (s *tokenSource) want(life *tokenLife) {
	if !life.call.want() {
		return
	}
	s.wanted = append(s.wanted, life)
	if len(s.wanted) == 1 {
		s.client.host.wakeRoot()
	}
}

// startCalls runs in the root context.
func (s *tokenSource) startCalls() {
	wanted := s.wanted
	s.wanted = nil
	for _, life := range wanted {
		s.start(life)
	}
}

// hostGrace is how much later than its timeout a call is given up that the host
// has not answered at all.
const hostGrace = time.Second

func (s *tokenSource) start(life *tokenLife) {
	now := s.client.host.monotonic()
	number, ok := life.call.started(now + life.caller.call.timeout + hostGrace)
	if !ok {
		return
	}
	call := &lifeCall{source: s, life: life, number: number, sentAt: now}
	defer call.failOnPanic() // the lives after this one must get their calls
	if failed := s.client.send(life.caller.call, call); failed != nil {
		call.failed(*failed, answer{})
	}
}

// lifeCall is a call under way.
type lifeCall struct {
	source *tokenSource
	life   *tokenLife
	number int
	sentAt time.Duration
}

// answered ends the call. Every waiting request is told, whatever happens.
func (c *lifeCall) answered(a answer) {
	life := c.life
	if !life.call.underWay(c.number) {
		return // given up before: its requests have been told
	}
	defer c.failOnPanic()
	values, failed := c.source.client.receive(a, c.sentAt)
	if failed.outcome != gotToken {
		c.failed(failed, a)
		return
	}
	now := c.source.client.host.monotonic()
	lifetime := c.source.lifetime(life, a, values[0])
	t := life.brought(now, lifetime, values, life.call.waiting.Len())
	for _, w := range life.call.ended(c.number) {
		w.proceed(t)
	}
	c.source.publish(life, now)
}

func (c *lifeCall) failed(f failure, a answer) {
	source, life := c.source, c.life
	now := source.client.host.monotonic()
	life.missed(now, retryAfter(a, source.client.host.wallClock()), f)
	standIn := life.stale(now)
	for _, w := range life.call.ended(c.number) {
		if standIn == nil {
			w.fail(f)
			continue
		}
		source.client.metrics.staleServed.increment()
		w.proceed(standIn)
	}
	source.holdBackRenewal(life, now)
}

// failOnPanic leaves nobody waiting when the answer made the plugin panic.
func (c *lifeCall) failOnPanic() {
	if cause := recover(); cause != nil {
		logPanic(c.source.client.host, cause)
		c.failed(failure{internalError, "gave an answer that made the plugin panic"}, answer{})
	}
}

// lifetime of an answer's token; an exchanged one does not outlive its subject.
func (s *tokenSource) lifetime(life *tokenLife, a answer, token string) time.Duration {
	wall := s.client.host.wallClock()
	lifetime := s.policy.lifetime(a, token, wall)
	if expiry := life.caller.subjectExpiry; !expiry.IsZero() {
		lifetime = max(min(lifetime, expiry.Sub(wall)), 0)
	}
	return lifetime
}

// tick looks after the lives: calls that the host never answered, tokens that are
// due, and after a failure what another worker may have brought.
func (s *tokenSource) tick(now time.Duration) {
	for element := s.recent.Front(); element != nil; element = element.Next() {
		life := element.Value.(*tokenLife)
		switch {
		case life.call.overdue(now):
			call := &lifeCall{source: s, life: life, number: life.call.number, sentAt: now}
			call.failed(failure{callFailed, "got no answer in time"}, answer{})
		case life.needsRenewal(now):
			s.renew(life, now)
		case life.retry.count > 0:
			s.adoptShared(life, now)
		}
	}
	s.startCalls()
	s.evict(s.policy.maxEntries)
}

// renew calls for a new token ahead of time, unless another worker does or did.
func (s *tokenSource) renew(life *tokenLife, now time.Duration) {
	if s.adoptShared(life, now) || !s.takeLease(now, now+life.caller.call.timeout+hostGrace) {
		return
	}
	s.client.metrics.refreshes.increment()
	s.want(life)
}

// refused is for a token that the upstream has refused.
func (s *tokenSource) refused(life *tokenLife, t *token) {
	if life.token == t && s.heardOfRefusal(life, t) {
		life.token = nil
		return
	}
	if !life.refuse(s.client.host.monotonic(), t) {
		return
	}
	if s.withdraw(life, t) {
		s.client.metrics.invalidated.increment()
	}
}
