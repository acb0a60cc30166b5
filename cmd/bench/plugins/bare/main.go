// Bare sets a header through the SDK alone: the benchmark shows what the SDK's callbacks cost.
package main

import (
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
)

func main() {}

func init() {
	proxywasm.SetPluginContext(func(uint32) types.PluginContext { return &pluginContext{} })
}

// abiVersion is the marker by which an Envoy that is not Higress' accepts the module.
//
//go:wasmexport proxy_abi_version_0_2_1
func abiVersion() {}

type pluginContext struct{ types.DefaultPluginContext }

func (*pluginContext) NewHttpContext(uint32) types.HttpContext { return &httpContext{} }

type httpContext struct{ types.DefaultHttpContext }

func (*httpContext) OnHttpRequestHeaders(int, bool) types.Action {
	_ = proxywasm.ReplaceHttpRequestHeader("x-token", "static")
	return types.ActionContinue
}
