// My-plugin answers requests itself when mockEnable says so, and otherwise sends them on with one more header.
package main

import (
	"fmt"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/higress-group/wasm-go/pkg/wrapper"
	"github.com/tidwall/gjson"
)

func main() {}

func init() {
	wrapper.SetCtx("my-plugin",
		wrapper.ParseConfig(parseConfig),
		wrapper.ProcessRequestHeaders(onRequestHeaders))
}

type config struct {
	mockEnable bool // requests are answered and do not reach the upstream
}

// parseConfig reads the configuration, which the console takes as YAML and the plugin gets as JSON. With an error, the
// plugin does not start.
func parseConfig(json gjson.Result, c *config) error {
	mockEnable := json.Get("mockEnable")
	if mockEnable.Exists() && !mockEnable.IsBool() {
		return fmt.Errorf("invalid mockEnable in config: %s (want true or false)", mockEnable.Raw)
	}
	c.mockEnable = mockEnable.Bool()
	return nil
}

func onRequestHeaders(_ wrapper.HttpContext, c config) types.Action {
	if !c.mockEnable {
		// Replaced, and not added: a client may have sent one.
		if err := proxywasm.ReplaceHttpRequestHeader("hello", "world"); err != nil {
			proxywasm.LogErrorf("the header can't be set: %v", err)
		}
		return types.ActionContinue
	}
	if err := proxywasm.SendHttpResponse(200, nil, []byte("hello world"), -1); err != nil {
		proxywasm.LogErrorf("the request can't be answered: %v", err)
		return types.ActionContinue
	}
	return types.HeaderStopAllIterationAndWatermark
}

// The marker by which an Envoy that is not Higress' accepts the file.
//
//go:wasmexport proxy_abi_version_0_2_1
func abiVersion() {}
