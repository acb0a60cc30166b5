// Token-fetch is a plugin for the Higress gateway and any Envoy. It obtains a token from an HTTP service and sets it as a
// header on requests to the upstream.
//
// The code, from the outside in:
//
//	plugin.go, ticker.go     the gateway's contexts: its VM, and a configuration in it; work between requests
//	request.go, reply.go     how a request arrives, and how it is settled
//	headers.go               changes to its headers
//	upstream_attempt.go      as an upstream filter: attempts of a request start from the same headers
//	caller.go                what identifies its caller
//	part.go, assemble.go     from a part of the configuration to what serves its requests: cache, share and client
//	chain.go                 the named tokens that a call refers to, obtained before the call
//	callout.go, host.go      the token call through the gateway; signer.go: a token that the plugin signs instead
//	failure.go               what happens to requests without a token
//	rules.go                 what rules ask about a request
//	rejection.go             which upstream responses reject a token
//	log.go, service_log.go   log lines for operators; what happens with a token service
//	metrics.go, expiry.go    counters, and when a token expires
//	internal/token           the vocabulary of all other packages
//	internal/tokenservice    what a token service is asked, and what its response means
//	internal/cache           one fetch for all requests that need the same token; renewal, staleness, backoff
//	internal/share           one fetch for all workers and gateways that need the same token
//	internal/config          all keys, and the parser
//	internal/rules           which part of the configuration a request belongs to
//	internal/template        text with ${…}, whose values remain data
//	internal/schema          reads the configuration by declared keys
//	internal/abi             callbacks and host calls that bypass the SDK
//	internal/fault           fails on demand in end-to-end tests; does nothing without its build tag
//
// docs/development.md has a drawing of who calls whom.
package main

import (
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"

	"token-fetch/internal/abi"
)

const pluginName = "token-fetch"

// version is the version in spec.yaml, set by make when linking.
var version = "development"

func main() {}

func init() {
	// Not through wasm-go's wrapper: it asks the host for ten values per request that this plugin does not need, at
	// several microseconds each, and logs a line for each worker that starts.
	vm := &vmContext{}
	proxywasm.SetVMContext(vm)
	abi.Use(vm)
}

// The SDK exports the Higress host's ABI marker, proxy_abi_version_0_2_100. With this one, which comes first in the
// file so that both hosts accept it, the same file loads in stock Envoy. There, HeaderStopIteration means "stop all"
// and no body phase follows: return only Continue and StopAllIterationAndWatermark.
//
//go:wasmexport proxy_abi_version_0_2_1
func abiVersion() {}
