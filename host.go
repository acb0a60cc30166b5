package main

import (
	"errors"
	"strconv"
	"time"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"

	"token-fetch/internal/abi"
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

// dispatch makes a call. If the plugin is also a filter of the call's cluster, the call passes through it before the host
// returns: it would wait for the token that it is to bring, or make a call in turn, and so on.
func (p *pluginContext) dispatch(to cluster, call tokenservice.Call, handler responseHandler) *token.Error {
	needsBody := to.needsBody
	callback := func(headers, bodySize, _ int) {
		p.runCallback(func() { p.onHTTPCallResponse(headers, bodySize, needsBody, handler) })
	}
	p.isCalling = true
	defer func() { p.isCalling = false }()
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
