package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"token-fetch/internal/cache"
	"token-fetch/internal/token"
	"token-fetch/internal/tokenservice"
)

// logger writes lines for the operator, and has the time for what it writes.
type logger interface {
	Monotonic() time.Duration
	logf(level logLevel, format string, args ...any)
}

// sourceName is what log lines call a token service: its address, and which part of the configuration and which OAuth
// client asks it.
type sourceName struct {
	address     string
	parts       []string // that share its tokens; none: there is only one
	oauthClient string   // empty: none
	more        int      // further parts
}

const (
	maxNamedParts      = 3
	maxClientIDInLines = 64 // bytes
)

func (n *sourceName) addPart(name string) {
	switch {
	case name == "" || slices.Contains(n.parts, name):
	case len(n.parts) == maxNamedParts:
		n.more++
	default:
		n.parts = append(n.parts, name)
	}
}

func (n *sourceName) String() string {
	details := slices.Clone(n.parts)
	if n.more > 0 {
		details = append(details, count(n.more, "more rule"))
	}
	if id := n.oauthClient; id != "" {
		if len(id) > maxClientIDInLines {
			id = id[:maxClientIDInLines] + "..."
		}
		if quoted := strconv.QuoteToASCII(id); quoted != `"`+id+`"` || strings.ContainsAny(id, " ,()") {
			id = quoted
		}
		details = append(details, "client "+id)
	}
	if len(details) == 0 {
		return n.address
	}
	return n.address + " (" + strings.Join(details, ", ") + ")"
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
	pending int
	next    time.Duration
}

// isDue asks for the time only when there is something to say: it is called on every tick.
func (p *pacer) isDue(h logger) bool { return p.pending > 0 && h.Monotonic() >= p.next }

// more is how many there were beside the one that the line is about.
func (p *pacer) more(what string) string {
	if p.pending < 2 {
		return ""
	}
	return fmt.Sprintf(", and %d %s since the last line", p.pending-1, what)
}

// count is a number of things, of which there may be one.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func (p *pacer) reset(h logger) { p.pending, p.next = 0, h.Monotonic()+lineInterval }

// failureLog writes about the failures of one token service: the first at once,
// then a sum from time to time, and a line when it is over. Failures and successes that
// alternate are summed up too: it is over once, and again not before the next line about a failure.
type failureLog struct {
	source      *sourceName
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
	l.pace.pending++
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
	h.logf(logError, "token service %s %s%s; %s", l.source, l.reason, l.pace.more("failures more"), consequence)
	l.isFailing = l.total > 0
	l.pace.reset(h)
}

func (l *failureLog) succeeded(h logger) {
	if l.isFailing {
		lasted := (h.Monotonic() - l.since).Round(time.Millisecond)
		h.logf(logInfo, "token service %s recovered after %s in %s", l.source, count(l.total, "failure"), lasted)
		l.isFailing, l.pace.pending = false, 0
	}
	l.total = 0
}

// debug writes about a good call, at most once a second.
func (l *failureLog) debug(h logger, status int, g tokenservice.Grant, took time.Duration) {
	now := h.Monotonic()
	if l.debugged != 0 && now < l.debugged+time.Second {
		return
	}
	l.debugged = now
	kept := ""
	if g.LifetimeFrom != "" {
		kept = fmt.Sprintf(" that lives %s (%s)", g.Lifetime.Round(time.Second), g.LifetimeFrom)
	}
	h.logf(logDebug, "token service %s answered %d with a token%s in %d ms", l.source, status, kept, took.Milliseconds())
}

// refusalLog writes about callers whose tokens the token service refuses, in sums: it is their fault,
// and they decide how often it happens.
type refusalLog struct {
	source *sourceName
	pace   pacer
	reason string
}

func (l *refusalLog) refused(h logger, reason string) {
	l.pace.pending++
	l.reason = reason
	l.tick(h)
}

func (l *refusalLog) tick(h logger) {
	if l.pace.isDue(h) {
		h.logf(logWarn, "token service %s %s: rejected a caller's token%s; answering 401",
			l.source, l.reason, l.pace.more("more"))
		l.pace.reset(h)
	}
}

// rejectionLog writes about an upstream that rejects tokens, in sums.
type rejectionLog struct {
	source *sourceName
	pace   pacer
	who    string
	how    string
}

// add takes a rejection, by the upstream or by a token service that the token was for, and what that did.
func (l *rejectionLog) add(h logger, who, how string) {
	l.pace.pending++
	l.who, l.how = who, how
	l.tick(h)
}

func (l *rejectionLog) tick(h logger) {
	if l.pace.isDue(h) {
		h.logf(logWarn, "%s %s to a request with a token of token service %s%s; fetching a new token, after repeated rejections at most every %s; "+
			"check the token's audience and scope, the clocks, or cache.invalidateOn", l.who, l.how, l.source, l.pace.more("more"), cache.MaxBackoff)
		l.pace.reset(h)
	}
}

// missingLog writes about requests that lack what their token call refers to, in sums.
type missingLog struct {
	pace    pacer
	part    *part
	missing error
}

// reportMissing takes what a request of a part lacks.
func (p *pluginContext) reportMissing(part *part, missing error) {
	l := &p.missing
	l.pace.pending++
	l.part, l.missing = part, missing
	l.tick(p)
}

func (l *missingLog) tick(h logger) {
	if !l.pace.isDue(h) {
		return
	}
	name := &sourceName{address: l.part.service.Address()}
	name.addPart(l.part.name)
	h.logf(logWarn, "no call of token service %s: %v%s; %s", name, l.missing, l.pace.more("more"), l.part.failure.consequence(token.OutcomeMissing))
	l.pace.reset(h)
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
	l.pace.pending++
	if l.pace.isDue(l.host) {
		l.host.logf(logWarn, "Redis %s %v%s; fetching tokens directly until Redis recovers", l.address, err, l.pace.more("failures more"))
		l.pace.reset(l.host)
		l.isFailing = true
	}
}

// RedisRecovered is told of each call that did not.
func (l *redisLog) RedisRecovered() {
	if l.isFailing {
		l.host.logf(logInfo, "Redis %s recovered: sharing tokens with the fleet again", l.address)
		l.isFailing, l.pace.pending = false, 0
	}
}

// redisLogFor is one for all rules with the same Redis, of which a configuration may have a thousand.
func (p *pluginContext) redisLogFor(address string) *redisLog {
	l, found := p.redisLogs[address]
	if !found {
		l = &redisLog{host: p, address: address}
		if p.redisLogs == nil {
			p.redisLogs = map[string]*redisLog{}
		}
		p.redisLogs[address] = l
	}
	return l
}
