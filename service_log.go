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

// serviceLog records, in the log and in the metrics, what happens with a token service: for a source of tokens, and for
// the cache of these tokens.
type serviceLog struct {
	part     *part // the first of those that share the tokens
	host     host
	metrics  *metrics
	label    *serviceLabel
	failures failureLog
	refused  eventLog // callers' tokens, by the service
	rejected eventLog // the service's tokens, by others
}

func newServiceLog(p *part, h host, m *metrics) *serviceLog {
	label := &serviceLabel{address: p.Service.Address(), oauthClient: p.Service.ClientID}
	label.addPart(p.name)
	return &serviceLog{part: p, host: h, metrics: m, label: label, failures: failureLog{host: h, service: label}}
}

// recordFailure wraps the done of a Fetch.
func (l *serviceLog) recordFailure(done func(token.Token, *token.Error)) func(token.Token, *token.Error) {
	return func(t token.Token, err *token.Error) {
		if err != nil {
			l.fetchFailed(err)
		}
		done(t, err)
	}
}

// fetchFailed records a Fetch without a token, such as a call that was not made.
func (l *serviceLog) fetchFailed(err *token.Error) {
	if err.Reason == token.Internal {
		return // logPanic has logged it, and it is no failure of the token service
	}
	l.countFailure(err)
	l.logFailure(err)
}

func (l *serviceLog) countFailure(err *token.Error) {
	switch err.Reason {
	case token.SubjectRefused, token.Missing: // the client's fault
	case token.NoCluster, token.NotSent:
		l.metrics.failures[err.Reason]++
	default:
		l.metrics.callFailures++
		l.metrics.failures[err.Reason]++
	}
}

func (l *serviceLog) logFailure(err *token.Error) {
	switch err.Reason {
	case token.SubjectRefused:
		l.refused.add(l.host, refusedCaller(l.label, err.Detail))
	case token.Missing:
		l.host.reportMissing(l.part, err)
	default:
		l.failures.failed(err.Detail, l.part.failurePolicy().consequence(err.Reason.Outcome()))
	}
}

// tokenRejected records that someone has rejected a token of the service. who and how are the start of the line.
func (l *serviceLog) tokenRejected(who, how string) {
	l.rejected.add(l.host, rejectedToken(l.label, who, how))
}

// tick writes lines that are due.
func (l *serviceLog) tick() {
	l.failures.tick()
	l.refused.tick(l.host)
	l.rejected.tick(l.host)
}

// serviceLabel identifies a token service in log lines: its address, with the parts of the configuration and the OAuth
// client that use it.
type serviceLabel struct {
	address     string
	parts       []string // that share its tokens; none: there is only one part
	oauthClient string   // empty: none
	more        int      // parts beyond maxNamedParts
}

const (
	maxNamedParts      = 3
	maxClientIDInLines = 64 // bytes
)

func (l *serviceLabel) addPart(name string) {
	switch {
	case name == "" || slices.Contains(l.parts, name):
	case len(l.parts) == maxNamedParts:
		l.more++
	default:
		l.parts = append(l.parts, name)
	}
}

func (l *serviceLabel) String() string {
	details := slices.Clone(l.parts)
	if l.more > 0 {
		details = append(details, count(l.more, "more rule"))
	}
	if id := l.oauthClient; id != "" {
		if len(id) > maxClientIDInLines {
			id = id[:maxClientIDInLines] + "..."
		}
		if quoted := strconv.QuoteToASCII(id); quoted != `"`+id+`"` || strings.ContainsAny(id, " ,()") {
			id = quoted
		}
		details = append(details, "client "+id)
	}
	if len(details) == 0 {
		return l.address
	}
	return l.address + " (" + strings.Join(details, ", ") + ")"
}

// failureLog reports failures of one token service: the first at once, then an aggregate from time to time, and a line
// on recovery. It also aggregates alternating failures and successes: recovery is reported once, and not again before
// the next failure was reported.
type failureLog struct {
	host        logger
	service     *serviceLabel
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
	l.host.logf(logError, "token service %s %s%s; %s", l.service, l.reason, l.pace.more("failure"), consequence)
	l.isFailing = l.total > 0
	l.pace.reset(l.host)
}

func (l *failureLog) succeeded() {
	if l.isFailing {
		lasted := (l.host.Monotonic() - l.since).Round(time.Millisecond)
		l.host.logf(logInfo, "token service %s recovered after %s in %s", l.service, count(l.total, "failure"), lasted)
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
	l.host.logf(logDebug, "token service %s answered %d with a token%s in %d ms", l.service, status, kept, took.Milliseconds())
}

// refusedCaller: the token service refuses a caller's token.
func refusedCaller(service *serviceLabel, reason string) eventLine {
	return func(more string) string {
		return fmt.Sprintf("token service %s %s: rejected a caller's token%s; answering 401", service, reason, more)
	}
}

// rejectedToken: the upstream, or a token service called with the token, rejects it.
func rejectedToken(service *serviceLabel, who, how string) eventLine {
	return func(more string) string {
		return fmt.Sprintf("%s %s to a request with a token of token service %s%s; fetching a new token, after repeated rejections at most every %s; "+
			"check the token's audience and scope, the clocks, or cache.invalidateOn", who, how, service, more, cache.MaxBackoff)
	}
}
