// Hello-world answers every request itself: the smallest plugin there is.
package main

import (
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/higress-group/wasm-go/pkg/wrapper"
)

func main() {}

func init() {
	wrapper.SetCtx("hello-world", wrapper.ProcessRequestHeaders(onRequestHeaders))
}

// config is empty: there is nothing to configure.
type config struct{}

func onRequestHeaders(wrapper.HttpContext, config) types.Action {
	if err := proxywasm.SendHttpResponse(200, nil, []byte("hello world"), -1); err != nil {
		proxywasm.LogErrorf("the request can't be answered: %v", err)
		return types.ActionContinue
	}
	// The request ends here; it must not go on to the upstream as well.
	return types.HeaderStopAllIterationAndWatermark
}

// The marker by which an Envoy that is not Higress' accepts the file.
//
//go:wasmexport proxy_abi_version_0_2_1
func abiVersion() {}
