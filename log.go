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

// logger writes log lines for the operator, and tells the time.
type logger interface {
	Monotonic() time.Duration
	logf(level logLevel, format string, args ...any)
}

// sourceName identifies a token service in log lines: its address, with the parts of the configuration and the OAuth
// client that use it.
type sourceName struct {
	address     string
	parts       []string // that share its tokens; none: there is only one part
	oauthClient string   // empty: none
	more        int      // parts beyond maxNamedParts
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

// lineInterval is the minimum time between two lines about the same ongoing event: under load, a gateway would
// otherwise write thousands of lines a second.
const lineInterval = 10 * time.Second

// pacer limits how often a line is written, and counts the events since the last one.
type pacer struct {
	pending int
	next    time.Duration
}

// isDue reads the clock only if there is something to report, because it is called in every tick.
func (p *pacer) isDue(h logger) bool { return p.pending > 0 && h.Monotonic() >= p.next }

// more counts the events besides the one that the line describes.
func (p *pacer) more(what string) string {
	if p.pending < 2 {
		return ""
	}
	return fmt.Sprintf(", and %d %s since the last line", p.pending-1, what)
}

// count formats a number with its noun.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func (p *pacer) reset(h logger) { p.pending, p.next = 0, h.Monotonic()+lineInterval }

// failureLog reports failures of one token service: the first at once, then an aggregate from time to time, and a line
// on recovery. It also aggregates alternating failures and successes: recovery is reported once, and not again before
// the next failure was reported.
type failureLog struct {
	host        logger
	source      *sourceName
	pace        pacer
	isFailing   bool // according to the latest line
	since       time.Duration
	total       int // consecutive failures
	reason      string
	consequence string
	debugged    time.Duration // time of the latest line about a successful call
}

// failed records a failure and its consequence for requests.
func (l *failureLog) failed(reason, consequence string) {
	if l.total == 0 {
		l.since = l.host.Monotonic()
	}
	l.total++
	l.pace.pending++
	l.reason, l.consequence = reason, consequence
	l.tick()
}

// tick writes the aggregate when it is due.
func (l *failureLog) tick() {
	if !l.pace.isDue(l.host) {
		return
	}
	consequence := l.consequence
	if l.total == 0 {
		consequence = "it has recovered since"
	}
	l.host.logf(logError, "token service %s %s%s; %s", l.source, l.reason, l.pace.more("more failures"), consequence)
	l.isFailing = l.total > 0
	l.pace.reset(l.host)
}

func (l *failureLog) succeeded() {
	if l.isFailing {
		lasted := (l.host.Monotonic() - l.since).Round(time.Millisecond)
		l.host.logf(logInfo, "token service %s recovered after %s in %s", l.source, count(l.total, "failure"), lasted)
		l.isFailing, l.pace.pending = false, 0
	}
	l.total = 0
}

// debug reports a successful call, at most once a second.
func (l *failureLog) debug(now time.Duration, status int, g tokenservice.Grant, took time.Duration) {
	if l.debugged != 0 && now < l.debugged+time.Second {
		return
	}
	l.debugged = now
	kept := ""
	if g.LifetimeFrom != "" {
		kept = fmt.Sprintf(" that lives %s (%s)", g.Lifetime.Round(time.Second), g.LifetimeFrom)
	}
	l.host.logf(logDebug, "token service %s answered %d with a token%s in %d ms", l.source, status, kept, took.Milliseconds())
}

// eventLog reports recurring events that clients or upstreams cause: the first one at once, then from time to time the
// latest one, with the number of the others.
type eventLog struct {
	pace pacer
	line eventLine
}

// eventLine returns a line about an event. more says how many others there were.
type eventLine func(more string) string

func (l *eventLog) add(h logger, line eventLine) {
	l.pace.pending++
	l.line = line
	l.tick(h)
}

func (l *eventLog) tick(h logger) {
	if l.pace.isDue(h) {
		h.logf(logWarn, "%s", l.line(l.pace.more("more")))
		l.pace.reset(h)
	}
}

// refusedCaller: the token service refuses a caller's token.
func refusedCaller(service *sourceName, reason string) eventLine {
	return func(more string) string {
		return fmt.Sprintf("token service %s %s: rejected a caller's token%s; answering 401", service, reason, more)
	}
}

// rejectedToken: the upstream, or a token service called with the token, rejects it.
func rejectedToken(service *sourceName, who, how string) eventLine {
	return func(more string) string {
		return fmt.Sprintf("%s %s to a request with a token of token service %s%s; fetching a new token, after repeated rejections at most every %s; "+
			"check the token's audience and scope, the clocks, or cache.invalidateOn", who, how, service, more, cache.MaxBackoff)
	}
}

// reportMissing records a request that lacks what its token call refers to.
func (p *pluginContext) reportMissing(part *part, missing error) {
	p.missing.add(p, func(more string) string {
		name := &sourceName{address: part.Service.Address()}
		name.addPart(part.name)
		return fmt.Sprintf("no call to token service %s: %v%s; %s", name, missing, more, part.failurePolicy().consequence(token.OutcomeMissing))
	})
}

// redisLog reports failures of Redis, during which each gateway fetches its tokens itself.
type redisLog struct {
	host      logger
	address   string
	pace      pacer
	isFailing bool
}

// RedisFailed records a failed command.
func (l *redisLog) RedisFailed(err error) {
	l.pace.pending++
	if l.pace.isDue(l.host) {
		l.host.logf(logWarn, "Redis %s %v%s; fetching tokens directly until Redis recovers", l.address, err, l.pace.more("more failures"))
		l.pace.reset(l.host)
		l.isFailing = true
	}
}

// RedisRecovered records a successful command.
func (l *redisLog) RedisRecovered() {
	if l.isFailing {
		l.host.logf(logInfo, "Redis %s recovered: sharing tokens with the fleet again", l.address)
		l.isFailing, l.pace.pending = false, 0
	}
}

// redisLogFor returns the log that all rules with the same Redis share.
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
