// Token-fetch is a plugin for the Higress gateway and any Envoy. It obtains a token from
// an HTTP service and sets it as a header on the requests to the upstream.
//
// The way through the code, from the outside in:
//
//	plugin.go, request.go    the contexts of the gateway: they translate its callbacks
//	callbacks_wasip1.go      the callbacks of a request, which go past the SDK; vm.go
//	config*.go, rules.go     what was configured, and which part of it a request belongs to
//	callout.go, answer.go    the token call and what comes back; oauth2.go on top of it
//	token_source.go          one call for all that need the same token, renewal, sharing
//	token_life.go            what a token goes through, from its first call to its end
//	shared_call.go           a call that many requests wait for
//	failure.go               what becomes of a request without a token
package main

import (
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/wasm-go/pkg/wrapper"
)

const pluginName = "token-fetch"

func main() {}

func init() {
	wrapper.SetCtx(
		pluginName,
		wrapper.ParseOverrideRawConfig(parseGlobalScope, parseRuleScope),
	)
	// Registered once more around the wrapper's context: it starts plugins and
	// logs, but it asks the host for ten values on every request that this
	// plugin does not need, at some microseconds each.
	vm.VMContext = proxywasm.GetVMContext()
	proxywasm.SetVMContext(vm)
}

// The SDK exports the marker of the Higress host, proxy_abi_version_0_2_100; with this
// one the same file loads in stock Envoy. It comes first in the file, so that
// both hosts take it. There HeaderStopIteration means "stop all", which never
// sees a body phase: return only Continue and StopAllIterationAndWatermark.
//
//go:wasmexport proxy_abi_version_0_2_1
func abiVersion() {}
