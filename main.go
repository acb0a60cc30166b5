// Token-fetch is a plugin for the Higress gateway and any Envoy. It obtains a token from
// an HTTP service and sets it as a header on the requests to the upstream.
//
// The way through the code, from the outside in:
//
//	plugin.go, ticker.go     the contexts of the gateway: its VM, and a configuration in it; what they do between requests
//	request.go, reply.go     a request arrives; how it ends
//	headers.go               what is done to its headers
//	caller.go                what it brings of its caller
//	config.go                from what is configured to what runs: cache, share and client, each a token.Source
//	chain.go                 the named tokens that a call is made of, before it is made
//	callout.go, host.go      the token call through the gateway
//	failure.go               what happens to a request without a token
//	rejection.go             which answers of the upstream reject a token
//	log.go, metrics.go       lines and counters for operators; expiry.go: when a token ends
//	internal/token           the vocabulary that all others share
//	internal/tokenservice    what a token service is asked, and what its answer means
//	internal/cache           one fetch for all that need the same token; renewal, staleness, backoff
//	internal/share           of all workers and gateways that need the same token, one fetches it
//	internal/config          all keys, and the parser
//	internal/rules           which part of the configuration a request belongs to
//	internal/template        texts with ${…}, whose values stay data where they stand
//	internal/schema          reads the configuration by declared keys
//	internal/abi             callbacks and host calls that bypass the SDK
//	internal/fault           fails on demand, for end-to-end tests; nothing without its build tag
//
// docs/development.md has a drawing of who calls whom.
package main

import (
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"

	"token-fetch/internal/abi"
)

const pluginName = "token-fetch"

// version is that of spec.yaml, which make puts here when it links the file.
var version = "development"

func main() {}

func init() {
	// Without wasm-go's wrapper: it asks the host for ten values on every request that this plugin does not need, at
	// some microseconds each, and logs a line for each worker that starts.
	vm := &vmContext{}
	proxywasm.SetVMContext(vm)
	abi.Use(vm)
}

// The SDK exports the marker of the Higress host, proxy_abi_version_0_2_100; with this
// one the same file loads in stock Envoy. It comes first in the file, so that
// both hosts take it. There HeaderStopIteration means "stop all", which never
// sees a body phase: return only Continue and StopAllIterationAndWatermark.
//
//go:wasmexport proxy_abi_version_0_2_1
func abiVersion() {}
