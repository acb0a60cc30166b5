package main

import (
	"fmt"
	"time"
)

// logger writes lines for the operator, and has the time for what it writes.
type logger interface {
	Monotonic() time.Duration
	logf(level logLevel, format string, args ...any)
}

type logLevel int

const (
	logDebug logLevel = iota
	logInfo
	logWarn
	logError
)

// lineInterval is the least time between two lines about the same thing that goes on happening. A
// gateway under load would otherwise write thousands of lines a second.
const lineInterval = 10 * time.Second

// pacer says when the next line may be written, and counts what was not said yet.
type pacer struct {
	unsaid int
	next   time.Duration
}

// isDue asks for the time only when there is something to say: it is called on every tick.
func (p *pacer) isDue(h logger) bool { return p.unsaid > 0 && h.Monotonic() >= p.next }

// more is how many there were beside the one that the line is about.
func (p *pacer) more(what string) string {
	if p.unsaid < 2 {
		return ""
	}
	return fmt.Sprintf(", and %d %s since the last line", p.unsaid-1, what)
}

// count is a number of things, of which there may be one.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func (p *pacer) written(h logger) { p.unsaid, p.next = 0, h.Monotonic()+lineInterval }

// failureLog writes about the failures of one token service: the first at once,
// then a sum from time to time, and a line when it is over. Failures and successes that
// alternate are summed up too: it is over once, and again not before the next line about a failure.
type failureLog struct {
	service     string // for the lines
	pace        pacer
	isFailing   bool // by the log's latest line
	since       time.Duration
	total       int // failures in a row
	reason      string
	consequence string
	debugged    time.Duration // when the last line about a good call was written
}

// failed takes a failure and what becomes of requests because of it.
func (l *failureLog) failed(h logger, reason, consequence string) {
	if l.total == 0 {
		l.since = h.Monotonic()
	}
	l.total++
	l.pace.unsaid++
	l.reason, l.consequence = reason, consequence
	l.tick(h)
}

// tick writes the sum of what was not said yet, when its time has come.
func (l *failureLog) tick(h logger) {
	if !l.pace.isDue(h) {
		return
	}
	consequence := l.consequence
	if l.total == 0 {
		consequence = "it has recovered since"
	}
	h.logf(logError, "token service %s %s%s; %s", l.service, l.reason, l.pace.more("failures more"), consequence)
	l.isFailing = l.total > 0
	l.pace.written(h)
}

func (l *failureLog) succeeded(h logger) {
	if l.isFailing {
		lasted := (h.Monotonic() - l.since).Round(time.Millisecond)
		h.logf(logInfo, "token service %s recovered after %s in %s", l.service, count(l.total, "failure"), lasted)
		l.isFailing, l.pace.unsaid = false, 0
	}
	l.total = 0
}

// debug writes about a good call, at most once a second.
func (l *failureLog) debug(h logger, now time.Duration, status int, took time.Duration) {
	if l.debugged == 0 || now >= l.debugged+time.Second {
		l.debugged = now
		h.logf(logDebug, "token service %s answered %d with a token in %d ms", l.service, status, took.Milliseconds())
	}
}

// refusalLog writes about callers whose tokens the token service refuses, in sums: it is their fault,
// and they decide how often it happens.
type refusalLog struct {
	service string
	pace    pacer
	reason  string
}

func (l *refusalLog) refused(h logger, reason string) {
	l.pace.unsaid++
	l.reason = reason
	l.tick(h)
}

func (l *refusalLog) tick(h logger) {
	if l.pace.isDue(h) {
		h.logf(logWarn, "token service %s %s: rejected a caller's token%s; answering 401",
			l.service, l.reason, l.pace.more("more"))
		l.pace.written(h)
	}
}

// redisLog writes about the Redis of a fleet, without which tokens are fetched by each gateway alone.
type redisLog struct {
	host      logger
	address   string
	pace      pacer
	isFailing bool
}

// RedisFailed is told of each call that failed.
func (l *redisLog) RedisFailed(err error) {
	l.pace.unsaid++
	if l.pace.isDue(l.host) {
		l.host.logf(logWarn, "Redis %s %v%s; fetching tokens directly until Redis recovers", l.address, err, l.pace.more("failures more"))
		l.pace.written(l.host)
		l.isFailing = true
	}
}

// RedisWorks is told of each call that did not.
func (l *redisLog) RedisWorks() {
	if l.isFailing {
		l.host.logf(logInfo, "Redis %s recovered: sharing tokens with the fleet again", l.address)
		l.isFailing, l.pace.unsaid = false, 0
	}
}

// redisLogOf is one for all rules with the same Redis, of which a configuration may have a thousand.
func (p *pluginContext) redisLogOf(address string) *redisLog {
	l, found := p.redises[address]
	if !found {
		l = &redisLog{host: p, address: address}
		if p.redises == nil {
			p.redises = map[string]*redisLog{}
		}
		p.redises[address] = l
	}
	return l
}
