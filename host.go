package main

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"

	"token-fetch/internal/abi"
	"token-fetch/internal/rules"
	"token-fetch/internal/share"
	"token-fetch/internal/token"
	"token-fetch/internal/tokenservice"
)

// This file is the host that the rest of the plugin sees, on top of the SDK.

var (
	_ host     = (*pluginContext)(nil)
	_ share.KV = (*pluginContext)(nil)
)

// Monotonic counts from the host's start.
func (p *pluginContext) Monotonic() time.Duration {
	p.now = abi.MonotonicNow()
	return p.now
}

// Wall is the time of day as of the latest Monotonic.
func (p *pluginContext) Wall() time.Time { return p.wallStart.Add(p.now) }

// readWall reads the wall clock, which may have been set. That takes two host calls, so each tick does it rather than each
// token call.
func (p *pluginContext) readWall() { p.wallStart = time.Now().Add(-p.Monotonic()) }

func (p *pluginContext) dispatch(to cluster, call tokenservice.Call, done answered) *token.Error {
	needsBody := to.needsBody
	callback := func(headers, bodySize, _ int) {
		p.runCallback(func() { p.onHTTPCallResponse(headers, bodySize, needsBody, done) })
	}
	timeout := uint32(to.timeout.Milliseconds()) //nolint:gosec // within the key's limits
	var err error
	abi.AsRoot(p.id, func() {
		_, err = proxywasm.DispatchHttpCall(to.name, call.Headers, call.Body, nil, timeout, callback)
	})
	if err != nil {
		return dispatchError(err, errors.Is(err, types.ErrorStatusBadArgument), to.name)
	}
	return nil
}

// onHTTPCallResponse reads what the host has of the answer: no headers at all mean a
// timeout or a reset.
func (p *pluginContext) onHTTPCallResponse(headers, bodySize int, needsBody bool, done answered) {
	a, isRead := &p.answer, false
	defer func() {
		p.logPanicOf(recover())
		if !isRead {
			done.answered(&tokenservice.Answer{}) // as if none had come
		}
		clear(a.Headers) // they would keep everything that the host has handed out
		*a = tokenservice.Answer{Headers: a.Headers[:0]}
	}()
	if headers > 0 {
		a.Headers = abi.CallResponseHeaders(a.Headers)
		status, _ := tokenservice.FirstHeader(a.Headers, ":status")
		a.Status, _ = strconv.Atoi(status)
	}
	if bodySize > 0 && (needsBody || a.Status/100 != 2) {
		a.Body, _ = proxywasm.GetHttpCallResponseBody(0, min(bodySize, tokenservice.MaxAnswerBytes+1))
	}
	isRead = true
	done.answered(a)
}

// redisHost is the host's client of Redis.
type redisHost struct{ plugin *pluginContext }

var _ share.Host = redisHost{}

func (redisHost) RedisInit(cluster, username, password string, timeout time.Duration) error {
	return abi.RedisInit(cluster, username, password, timeout)
}

func (h redisHost) RedisCall(cluster string, command []byte, done func(bool, []byte)) (err error) {
	abi.AsRoot(h.plugin.id, func() {
		err = abi.RedisCall(cluster, command, share.MaxReply, func(ok bool, reply []byte) {
			h.plugin.runCallback(func() {
				h.plugin.Monotonic()
				done(ok, reply)
			})
		})
	})
	return err
}

// Load reads shared data of the host.
func (p *pluginContext) Load(key string) (data []byte, cas uint32) {
	data, cas, err := proxywasm.GetSharedData(key)
	if err != nil {
		return nil, 0
	}
	return data, cas
}

// unusedCAS is a number that the host has given to no version of shared data. With any but 0, which overwrites
// whatever is there, it writes a key that is missing, and no other.
const unusedCAS = 1 << 31

// CompareAndSwap writes shared data of the host.
func (p *pluginContext) CompareAndSwap(key string, data []byte, cas uint32) bool {
	if cas == 0 {
		cas = unusedCAS
	}
	return proxywasm.SetSharedData(key, data, cas) == nil
}

// logf writes a line as wasm-go's log does, but for ids that there are not, and for what comes from a client: that log takes
// the request's X-Request-Id, which all plugins that are made with it keep as a property, for a part of the line's format.
// Verbs in it would have the line grow until the VM ends, and escapes move the operator's terminal.
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

// requestID is the id that the request has for other plugins, if it is one: letters, digits and -_. only; else empty.
func requestID() string {
	const limit = 64
	id, _ := abi.Property("x_request_id")
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	if id == "" || len(id) > limit || strings.Trim(id, allowed) != "" {
		return ""
	}
	return id
}

// logPanic writes what happened but no values: a panic's own text could hold some.
func logPanic(h logger, cause any) {
	text := fmt.Sprintf("%T", cause)
	if err, ok := cause.(runtime.Error); ok {
		text = err.Error()
	}
	stack := make([]byte, 8<<10)
	stack = stack[:runtime.Stack(stack, false)]
	h.logf(logError, "the plugin panicked: %s; stack: %s", text, strings.ReplaceAll(string(stack), "\n", " | "))
}

// What rules ask about a request. Each answer costs a host call of some microseconds.

var _ rules.Request = (*requestContext)(nil)

// Authority is part of rules.Request, like the next two.
func (r *requestContext) Authority() string {
	authority, _ := abi.RequestHeader(":authority")
	return authority
}

// RouteName is the route's name.
func (r *requestContext) RouteName() string { return r.plugin.xdsProperty("xds\x00route_name") }

// Cluster is the name of the route's cluster.
func (r *requestContext) Cluster() string { return r.plugin.xdsProperty("xds\x00cluster_name") }

// xdsProperty reads what the Higress host has as a property of its own, and stock
// Envoy among its attributes, below xds. Which of the two it is, the first
// request finds out. The Higress host has the first whenever it has the second: the matcher of wasm-go knows
// no other, and with it every plugin made for that host.
func (p *pluginContext) xdsProperty(path string) string {
	if !p.hasXDSAttributes {
		if value, ok := abi.Property(strings.TrimPrefix(path, "xds\x00")); ok {
			return value
		}
	}
	value, ok := abi.Property(path)
	if ok {
		p.hasXDSAttributes = true
	}
	return value
}
