// Neighbour is another plugin in the same gateway that reads and writes shared data on request: GET /neighbour/KEY returns
// the value, PUT writes the body, both in hexadecimal.
package main

import (
	"encoding/hex"
	"strings"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
)

const path = "/neighbour/"

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

type httpContext struct {
	types.DefaultHttpContext
	key string // to be written
}

func (c *httpContext) OnHttpRequestHeaders(_ int, endOfStream bool) types.Action {
	// As plugins do that are made with wasm-go.
	id, _ := proxywasm.GetHttpRequestHeader("x-request-id")
	_ = proxywasm.SetProperty([]string{"x_request_id"}, []byte(id))
	asked, _ := proxywasm.GetHttpRequestHeader(":path")
	key, isOurs := strings.CutPrefix(asked, path)
	switch {
	case !isOurs:
		return types.ActionContinue
	case !endOfStream:
		c.key = key
		return types.ActionContinue
	}
	data, _, err := proxywasm.GetSharedData(key)
	reply(err, hex.EncodeToString(data))
	return types.ActionPause
}

func (c *httpContext) OnHttpRequestBody(size int, endOfStream bool) types.Action {
	if c.key == "" {
		return types.ActionContinue
	}
	if !endOfStream {
		return types.ActionPause
	}
	text, _ := proxywasm.GetHttpRequestBody(0, size)
	data, err := hex.DecodeString(string(text))
	if err == nil {
		_, version, _ := proxywasm.GetSharedData(c.key)
		err = proxywasm.SetSharedData(c.key, data, version)
	}
	reply(err, "")
	return types.ActionPause
}

func reply(err error, body string) {
	status := uint32(200)
	if err != nil {
		status, body = 404, err.Error()
	}
	_ = proxywasm.SendHttpResponse(status, nil, []byte(body), -1)
}
