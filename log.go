package main

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"

	"token-fetch/internal/abi"
	"token-fetch/internal/token"
)

// logger writes log lines for the operator, and tells the time.
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

// logf writes a line like wasm-go's log, but omits missing IDs and whatever a client could inject: wasm-go's log makes
// the request's X-Request-Id, which all plugins built with it keep as a property, part of the format string. Verbs in
// it could grow the line until the VM ends, and escape sequences could control the operator's terminal.
func (p *pluginContext) logf(level logLevel, format string, args ...any) {
	prefix := "[" + pluginName + "] "
	for _, id := range []string{p.logID, requestID()} {
		if id != "" {
			prefix += "[" + id + "] "
		}
	}
	line := prefix + fmt.Sprintf(format, args...)
	switch level {
	case logDebug:
		proxywasm.LogDebug(line)
	case logInfo:
		proxywasm.LogInfo(line)
	case logWarn:
		proxywasm.LogWarn(line)
	default:
		proxywasm.LogError(line)
	}
}

// requestID is the request's ID as known to other plugins, or "" if it contains anything but letters, digits and -_.
func requestID() string {
	const limit = 64
	id, _ := abi.Property("x_request_id")
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	if id == "" || len(id) > limit || strings.Trim(id, allowed) != "" {
		return ""
	}
	return id
}

// logPanic logs a panic's location without its values, which could include secrets.
func logPanic(h logger, cause any) {
	text := fmt.Sprintf("%T", cause)
	if err, ok := cause.(runtime.Error); ok {
		text = err.Error()
	}
	stack := make([]byte, 8<<10)
	stack = stack[:runtime.Stack(stack, false)]
	h.logf(logError, "the plugin panicked: %s; stack: %s", text, strings.ReplaceAll(string(stack), "\n", " | "))
}

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

// more counts the events besides the one that the line describes. The noun may be empty.
func (p *pacer) more(noun string) string {
	switch others := p.pending - 1; {
	case others < 1:
		return ""
	case noun == "":
		return fmt.Sprintf(", and %d more since the last line", others)
	default:
		return ", and " + count(others, "more "+noun) + " since the last line"
	}
}

// count formats a number with its noun.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func (p *pacer) reset(h logger) { p.pending, p.next = 0, h.Monotonic()+lineInterval }

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
		h.logf(logWarn, "%s", l.line(l.pace.more("")))
		l.pace.reset(h)
	}
}

// reportMissing records a request that lacks what its token call refers to.
func (p *pluginContext) reportMissing(part *part, missing error) {
	p.missing.add(p, func(more string) string {
		service := &serviceLabel{address: part.Service.Address()}
		service.addPart(part.name)
		return fmt.Sprintf("no call to token service %s: %v%s; %s", service, missing, more, part.failurePolicy().consequence(token.OutcomeMissing))
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
		l.host.logf(logWarn, "Redis %s %v%s; fetching tokens directly until Redis recovers", l.address, err, l.pace.more("failure"))
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
