package main

import (
	"strings"
	"testing"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/wasm-go/pkg/test"

	"token-fetch/internal/abi"
	"token-fetch/internal/tokenservice"
	"token-fetch/internal/tokentest"
)

// frugal spares the SDK and the emulator, which are measured as well: no name to fold to
// lower case, no status to hand out.
const frugal = `{"serviceName": "token.dns", "requestPath": "/token", "tokenHeader": "x-token", "cache": {"invalidateOn": []}}`

// newPlugin makes a plugin context by hand, within a stream of the emulator that has the token header.
func newPlugin(t *testing.T, configuration string) (*vmContext, *pluginContext) {
	t.Helper()
	host := start(t, sampleJSON)
	t.Cleanup(host.Reset)
	host.CallOnHttpRequestHeaders(request("x-token", "forged"))
	v := &vmContext{}
	p := &pluginContext{id: 1, vm: v, metrics: &metrics{}}
	p.configure(mustParse(t, configuration))
	v.plugins = append(v.plugins, p)
	return v, p
}

// newRequest is one that the SDK does not know of.
func newRequest(v *vmContext, id, plugin uint32) *requestContext {
	r, _ := v.NewRequest(id, plugin).(*requestContext)
	return r
}

// fill puts a token into the plugin's cache.
func fill(p *pluginContext) {
	h := &fakeHost{Clock: &tokentest.Clock{Now: p.Monotonic()}}
	p.clients[0].host = h
	p.caches[0].Ask(nil, &tokentest.Request{})
	p.scheduler.RunBatch()
	h.calls[0].done.onResponse(&tokenservice.Response{Status: 200, Headers: [][2]string{{"x-token", "t1"}}})
	p.scheduler.RunBatch()
}

// A gateway pays for this path on every request.
func TestCachedPathAllocatesNothing(t *testing.T) {
	test.RunGoTest(t, func(t *testing.T) {
		v, p := newPlugin(t, frugal)
		fill(p)
		id := uint32(1)
		allocations := testing.AllocsPerRun(10_000, func() {
			id++
			r := newRequest(v, id, p.id)
			r.OnHttpRequestHeaders(0, true)
			r.OnHttpStreamDone()
			r.OnDeleted()
		})
		if allocations != 0 {
			t.Errorf("got %v allocations a request, expected none", allocations)
		}
		if hits := p.metricsOf[p.global.configPart()].cache.Hits; hits != 10_001 {
			t.Errorf("cache_hits: got %d, expected 10001: the requests did not take the cached path", hits)
		}
	})
}

// A caller's request also costs what the emulator and the SDK allocate to return one property.
func TestCallersCachedPathAllocatesNothing(t *testing.T) {
	test.RunGoTest(t, func(t *testing.T) {
		const exchange = `{"serviceName": "as.dns", "requestPath": "/token", "oauth2": {"clientId": "id", "clientSecret": "s",
			"grantType": "urn:ietf:params:oauth:grant-type:token-exchange", "subjectTokenHeader": "x-token"}}`
		v, p := newPlugin(t, exchange)
		r := newRequest(v, 1, p.id)
		r.part = p.global.configPart()
		property := p.global.configPart().callerHeaders[0].property
		if err := proxywasm.SetProperty(strings.Split(property, "\x00"), []byte("subject")); err != nil {
			t.Fatal(err)
		}
		handingOut := testing.AllocsPerRun(1000, func() { abi.Property(property) })
		values := testing.AllocsPerRun(1000, func() { _, _ = r.callerValues() })
		if values != handingOut {
			t.Errorf("got %v allocations a request, expected the %v of the host", values, handingOut)
		}
	})
}

// A request that a call may still refer to must not become another one.
func TestPausedRequestIsNotReused(t *testing.T) {
	test.RunGoTest(t, func(t *testing.T) {
		v, p := newPlugin(t, frugal)
		first := newRequest(v, 7, p.id)
		first.OnHttpRequestHeaders(0, true)
		first.OnHttpStreamDone()
		first.OnDeleted()
		if second := newRequest(v, 8, p.id); second == first {
			t.Error("a request that was paused is used again")
		}
	})
}

// Envoy may create a request between another's end and its deletion.
func TestRequestIsNotReusedBeforeItIsDeleted(t *testing.T) {
	test.RunGoTest(t, func(t *testing.T) {
		v, p := newPlugin(t, frugal)
		fill(p)
		first := newRequest(v, 7, p.id)
		first.OnHttpRequestHeaders(0, true)
		first.OnHttpStreamDone()
		if newRequest(v, 8, p.id) == first {
			t.Error("a request that is still there is used again")
		}
		first.OnDeleted()
		if newRequest(v, 9, p.id) != first {
			t.Error("a request that is over is not used again")
		}
	})
}

// Two configurations in one VM: each request is its own one's, and one that was deleted is forgotten.
func TestRequestBelongsToItsConfiguration(t *testing.T) {
	v := &vmContext{}
	first, second := &pluginContext{id: 1, vm: v}, &pluginContext{id: 2, vm: v}
	v.plugins = []*pluginContext{first, second}
	for _, p := range v.plugins {
		if r := newRequest(v, 7, p.id); r.plugin != p {
			t.Errorf("a request of configuration %d: got %d", p.id, r.plugin.id)
		}
	}
	test.RunGoTest(t, func(t *testing.T) {
		host := start(t, sampleJSON)
		defer host.Reset()
		v.Deleted(1)
	})
	if len(v.plugins) != 1 || v.plugins[0] != second {
		t.Errorf("after the first was deleted: got %v, expected the second", v.plugins)
	}
}

// A call belongs to the root context, whichever request has caused it: under the request, as in the SDK, its answer would be
// dropped when the client disconnects, and the requests waiting for it would wait forever.
func TestCallsAreTheRootContexts(t *testing.T) {
	for name, config := range map[string]string{"cached": withCache(""), "a call per request": sampleJSON} {
		test.RunGoTest(t, func(t *testing.T) {
			host := start(t, config)
			defer host.Reset()
			host.CallOnHttpRequestHeaders(request())
			if got := len(host.GetCalloutAttributesFromContext(rootContext)); got != 1 {
				t.Fatalf("%s: got %d calls of the root context, expected 1", name, got)
			}
			answered := host.GetCalloutAttributesFromContext(rootContext)[0].CalloutID
			host.CompleteHttp() // the client goes away
			host.InitHttp()
			host.CallOnHttpRequestHeaders(request())
			host.CallOnHttpCallResponse(answered, [][2]string{{":status", "200"}, {"x-token", "t1"}}, nil, nil)
			if config == sampleJSON {
				answer(t, host, [][2]string{{":status", "200"}, {"x-token", "t1"}})
			}
			checkSettled(t, host, "t1", 0)
			if lines := host.GetErrorLogs(); len(lines) != 0 {
				t.Errorf("%s: logged %q, expected no error", name, lines)
			}
		})
	}
}
