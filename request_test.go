package main

import (
	"strings"
	"testing"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/wasm-go/pkg/test"

	"token-fetch/internal/abi"
	"token-fetch/internal/token"
	"token-fetch/internal/tokenservice"
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

// newRequest is one that the SDK does not know of, or nil.
func newRequest(v *vmContext, id, plugin uint32) *requestContext {
	r, _ := v.NewRequest(id, plugin).(*requestContext)
	return r
}

// fill puts a token into the plugin's cache.
func fill(p *pluginContext) {
	h := &fakeHost{clock: p.Monotonic()}
	p.clients[0].host = h
	p.caches[0].Ask(nil, waiterOfNobody{})
	p.backlog.Turn()
	h.calls[0].done.answered(&tokenservice.Answer{Status: 200, Headers: [][2]string{{"x-token", "t1"}}})
	p.backlog.Turn()
}

type waiterOfNobody struct{}

func (waiterOfNobody) Proceed(*token.Token) {}
func (waiterOfNobody) Fail(*token.Error)    {}

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
		if hits := p.metricsOf[p.global.requests()].cache.Hits; hits != 10_001 {
			t.Errorf("cache_hits: got %d, expected 10001: the requests did not take the cached path", hits)
		}
	})
}

// What a caller's request costs beside it is what the emulator and the SDK allocate to hand out one property.
func TestCallersCachedPathAllocatesNothing(t *testing.T) {
	test.RunGoTest(t, func(t *testing.T) {
		const exchange = `{"serviceName": "as.dns", "requestPath": "/token", "oauth2": {"clientId": "id", "clientSecret": "s",
			"grantType": "urn:ietf:params:oauth:grant-type:token-exchange", "subjectTokenHeader": "x-token"}}`
		v, p := newPlugin(t, exchange)
		r := newRequest(v, 1, p.id)
		r.part = p.global.requests()
		property := p.global.requests().callerHeaders[0].property
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

func TestWhatTheSDKMustKnow(t *testing.T) {
	tests := map[string]struct {
		configuration string
		plugin        uint32
		own           bool
	}{
		"requests with a cache":                 {frugal, 1, true},
		"requests that make calls":              {sampleJSON, 1, false},
		"one rule whose requests make calls":    {`{"serviceName": "token.dns", "requestPath": "/token", "tokenHeader": "x-token", "cache": {}, "_rules_": [{"_match_domain_": ["a"], "cache": null}]}`, 1, false},
		"requests of a plugin that is not ours": {frugal, 2, false},
		"a plugin":                              {frugal, 0, false},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			test.RunGoTest(t, func(t *testing.T) {
				v, _ := newPlugin(t, c.configuration)
				if own := v.NewRequest(7, c.plugin) != nil; own != c.own {
					t.Errorf("kept from the SDK: got %v, expected %v", own, c.own)
				}
			})
		})
	}
	t.Run("a plugin that was deleted", func(t *testing.T) {
		test.RunGoTest(t, func(t *testing.T) {
			v, p := newPlugin(t, frugal)
			v.Deleted(p.id)
			if v.NewRequest(7, p.id) != nil {
				t.Error("a request of a plugin that is gone is kept from the SDK")
			}
		})
	})
}
