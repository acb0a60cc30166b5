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

// This file implements the plugin's view of the host on top of the SDK.

var (
	_ host     = (*pluginContext)(nil)
	_ share.KV = (*pluginContext)(nil)
)

// Monotonic counts from the start of the host.
func (p *pluginContext) Monotonic() time.Duration {
	p.now = abi.MonotonicNow()
	return p.now
}

// Wall is the time of day as of the latest Monotonic.
func (p *pluginContext) Wall() time.Time { return p.wallStart.Add(p.now) }

// readWall reads the wall clock, which may have been set. Each tick does, instead of each token call, because it takes
// two host calls.
func (p *pluginContext) readWall() { p.wallStart = time.Now().Add(-p.Monotonic()) }

func (p *pluginContext) dispatch(to cluster, call tokenservice.Call, handler responseHandler) *token.Error {
	needsBody := to.needsBody
	callback := func(headers, bodySize, _ int) {
		p.runCallback(func() { p.onHTTPCallResponse(headers, bodySize, needsBody, handler) })
	}
	err := abi.DispatchHTTPCall(p.id, to.name, call.Headers, call.Body, to.timeout, callback)
	if err != nil {
		return dispatchError(err, errors.Is(err, types.ErrorStatusBadArgument), to.name)
	}
	return nil
}

// onHTTPCallResponse reads the response from the host. No headers mean a timeout or a reset.
func (p *pluginContext) onHTTPCallResponse(headers, bodySize int, needsBody bool, handler responseHandler) {
	resp, isRead := &p.response, false
	defer func() {
		p.logPanicOf(recover())
		if !isRead {
			handler.onResponse(&tokenservice.Response{}) // as if there were none
		}
		clear(resp.Headers) // don't keep the host's data alive
		*resp = tokenservice.Response{Headers: resp.Headers[:0]}
	}()
	if headers > 0 {
		resp.Headers = abi.CallResponseHeaders(resp.Headers)
		status, _ := tokenservice.FirstHeader(resp.Headers, ":status")
		resp.Status, _ = strconv.Atoi(status)
	}
	if bodySize > 0 && (needsBody || resp.Status/100 != 2) {
		resp.Body, _ = proxywasm.GetHttpCallResponseBody(0, min(bodySize, tokenservice.MaxResponseBytes+1))
	}
	isRead = true
	handler.onResponse(resp)
}

// redisHost is the host's Redis client.
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

// Load reads the host's shared data.
func (p *pluginContext) Load(key string) (data []byte, cas uint32) {
	data, cas, err := proxywasm.GetSharedData(key)
	if err != nil {
		return nil, 0
	}
	return data, cas
}

// unusedCAS is a number that the host never assigns to a version of shared data. With it, the host writes only a key
// that does not exist; with 0, it would overwrite any value.
const unusedCAS = 1 << 31

// CompareAndSwap writes the host's shared data.
func (p *pluginContext) CompareAndSwap(key string, data []byte, cas uint32) bool {
	if cas == 0 {
		cas = unusedCAS
	}
	return proxywasm.SetSharedData(key, data, cas) == nil
}

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

// What rules ask about a request. Each method costs a host call of several microseconds.

var _ rules.Request = (*requestContext)(nil)

// Authority implements rules.Request, like the next two methods.
func (r *requestContext) Authority() string {
	authority, _ := abi.RequestHeader(":authority")
	return authority
}

// RouteName is the route's name.
func (r *requestContext) RouteName() string { return r.plugin.xdsProperty("xds\x00route_name") }

// Cluster is the name of the route's cluster.
func (r *requestContext) Cluster() string { return r.plugin.xdsProperty("xds\x00cluster_name") }

// xdsProperty reads what is a separate property on the Higress host and an attribute below xds on stock Envoy. The
// first request finds out which of the two the host is. The Higress host has the property whenever it has the
// attribute: wasm-go's matcher, and so every plugin for that host, relies on it.
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
