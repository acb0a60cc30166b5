package main

import (
	"testing"

	"github.com/higress-group/wasm-go/pkg/test"
)

// frugal spares the SDK and the emulator, which are measured as well: no name to fold to
// lower case, no status to hand out.
const frugal = `{"serviceName": "token.dns", "requestPath": "/token", "tokenHeader": "x-token", "cache": {"invalidateOn": []}}`

// newPlugin makes a plugin context by hand, within a stream of the emulator that has the token header.
func newPlugin(t *testing.T) *pluginContext {
	t.Helper()
	host := start(t, sampleJSON)
	t.Cleanup(host.Reset)
	host.CallOnHttpRequestHeaders(request("x-token", "forged"))
	p := &pluginContext{config: mustParse(t, frugal), metrics: &metrics{}}
	p.makeTargets()
	return p
}

// A gateway pays for this path on every request.
func TestCachedPathAllocatesNothing(t *testing.T) {
	test.RunGoTest(t, func(t *testing.T) {
		p := newPlugin(t)
		p.targets[0].source.common.brought(p.monotonic(), 1<<40, []string{"t1"}, 0)
		allocations := testing.AllocsPerRun(1000, func() {
			r := p.NewHttpContext(7)
			r.OnHttpRequestHeaders(0, true)
			r.OnHttpStreamDone()
		})
		if allocations != 0 {
			t.Errorf("got %v allocations a request, expected none", allocations)
		}
		if hits := p.metrics.cacheHits.total; hits != 1001 {
			t.Errorf("cache_hits: got %d, expected 1001: the requests did not take the cached path", hits)
		}
	})
}

// A request that a call may still refer to must not become another one.
func TestPausedRequestIsNotReused(t *testing.T) {
	test.RunGoTest(t, func(t *testing.T) {
		p := newPlugin(t)
		first := p.NewHttpContext(7)
		first.OnHttpRequestHeaders(0, true)
		first.OnHttpStreamDone()
		if second := p.NewHttpContext(8); second == first {
			t.Error("a request that was paused is used again")
		}
		if n := p.targets[0].source.common.call.waiting.Len(); n != 0 {
			t.Errorf("waiting: got %d, expected 0", n)
		}
	})
}
