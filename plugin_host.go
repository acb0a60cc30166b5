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
	"github.com/higress-group/wasm-go/pkg/log"
)

// This file is the host that the plugin's core sees, on top of the SDK.

var _ host = (*pluginContext)(nil)

// Monotonic counts from the host's start.
func (p *pluginContext) Monotonic() time.Duration {
	p.now = monotonicNow()
	return p.now
}

// Wall is the time of day.
func (p *pluginContext) Wall() time.Time { return time.Now() }

func (p *pluginContext) dispatch(call tokenCall, withBody bool, done answered) *failure {
	callback := func(headers, bodySize, _ int) { p.onHTTPCallResponse(headers, bodySize, withBody, done) }
	timeout := uint32(call.timeout.Milliseconds()) //nolint:gosec // at most a minute
	_, err := proxywasm.DispatchHttpCall(call.cluster, call.headers, call.body, nil, timeout, callback)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, types.ErrorStatusBadArgument):
		return &failure{outcome: noCluster, reason: fmt.Sprintf("is unknown: the gateway has no cluster %s", call.cluster), unavailable: true}
	default:
		return &failure{outcome: callFailed, reason: fmt.Sprintf("can't be called: %v (has its cluster %s a healthy host?)", err, call.cluster), unavailable: true}
	}
}

// onHTTPCallResponse reads what the host has of the answer: no headers at all mean a
// timeout or a reset.
func (p *pluginContext) onHTTPCallResponse(headers, bodySize int, withBody bool, done answered) {
	defer p.logPanic()
	a := &answer{}
	if headers > 0 {
		a.headers, _ = proxywasm.GetHttpCallResponseHeaders()
		status, _ := firstHeader(a.headers, ":status")
		a.status, _ = strconv.Atoi(status)
	}
	if bodySize > 0 && (withBody || a.status/100 != 2) {
		a.body, _ = proxywasm.GetHttpCallResponseBody(0, min(bodySize, maxAnswerBytes+1))
	}
	done.answered(a)
}

// Load reads shared data of the host.
func (p *pluginContext) Load(key string) (data []byte, cas uint32) {
	data, cas, err := proxywasm.GetSharedData(key)
	if err != nil {
		return nil, 0
	}
	return data, cas
}

// Swap writes shared data of the host.
func (p *pluginContext) Swap(key string, data []byte, cas uint32) bool {
	return proxywasm.SetSharedData(key, data, cas) == nil
}

func (p *pluginContext) logf(level logLevel, format string, args ...any) {
	switch level {
	case logDebug:
		log.Debugf(format, args...)
	case logInfo:
		log.Infof(format, args...)
	case logWarn:
		log.Warnf(format, args...)
	default:
		log.Errorf(format, args...)
	}
}

// logPanic writes what happened but no values: a panic's own text could hold some.
func logPanic(h host, cause any) {
	text := fmt.Sprintf("%T", cause)
	if err, ok := cause.(runtime.Error); ok {
		text = err.Error()
	}
	stack := make([]byte, 8<<10)
	stack = stack[:runtime.Stack(stack, false)]
	h.logf(logError, "the plugin panicked: %s; stack: %s", text, strings.ReplaceAll(string(stack), "\n", " | "))
}
