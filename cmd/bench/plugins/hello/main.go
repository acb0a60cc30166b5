// Hello sets one header through wasm-go's wrapper: the least that a plugin written
// with it does. The benchmark compares size, start and memory with it.
package main

import (
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/higress-group/wasm-go/pkg/wrapper"
	"github.com/tidwall/gjson"
)

type config struct{ header string }

func main() {}

func init() {
	wrapper.SetCtx("hello",
		wrapper.ParseConfig(func(json gjson.Result, c *config) error {
			c.header = json.Get("tokenHeader").String()
			return nil
		}),
		wrapper.ProcessRequestHeaders(func(_ wrapper.HttpContext, c config) types.Action {
			_ = proxywasm.ReplaceHttpRequestHeader(c.header, "static")
			return types.ActionContinue
		}))
}

// abiVersion is the marker by which an Envoy that is not Higress' accepts the module.
//
//go:wasmexport proxy_abi_version_0_2_1
func abiVersion() {}
