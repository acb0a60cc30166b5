// Sample is written like the plugins in the gateway's guide: it calls the token service on every request, through the
// wrapper, with the wrapper's default logging. The benchmark compares token-fetch with it.
package main

import (
	"errors"
	"net/http"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/higress-group/wasm-go/pkg/log"
	"github.com/higress-group/wasm-go/pkg/wrapper"
	"github.com/tidwall/gjson"
)

type config struct {
	client      wrapper.HttpClient
	requestPath string
	tokenHeader string
}

func main() {}

func init() {
	wrapper.SetCtx("sample",
		wrapper.ParseConfig(parseConfig),
		wrapper.ProcessRequestHeaders(onRequestHeaders))
}

// abiVersion is the marker by which an Envoy that is not Higress' accepts the module.
//
//go:wasmexport proxy_abi_version_0_2_1
func abiVersion() {}

func parseConfig(json gjson.Result, c *config) error {
	c.tokenHeader = json.Get("tokenHeader").String()
	if c.tokenHeader == "" {
		return errors.New("missing tokenHeader in config")
	}
	c.requestPath = json.Get("requestPath").String()
	if c.requestPath == "" {
		return errors.New("missing requestPath in config")
	}
	name := json.Get("serviceName").String()
	if name == "" {
		return errors.New("missing serviceName in config")
	}
	port := json.Get("servicePort").Int()
	if port == 0 {
		port = 80
	}
	c.client = wrapper.NewClusterClient(wrapper.FQDNCluster{FQDN: name, Port: port})
	return nil
}

func onRequestHeaders(_ wrapper.HttpContext, c config) types.Action {
	err := c.client.Get(c.requestPath, nil, func(status int, headers http.Header, body []byte) {
		if status != http.StatusOK {
			log.Errorf("http call failed, status: %d", status)
			_ = proxywasm.SendHttpResponse(http.StatusInternalServerError, nil, []byte("http call failed"), -1)
			return
		}
		log.Infof("got status: %d, response body: %s", status, body)
		if token := headers.Get(c.tokenHeader); token != "" {
			_ = proxywasm.AddHttpRequestHeader(c.tokenHeader, token)
		}
		_ = proxywasm.ResumeHttpRequest()
	})
	if err != nil {
		log.Errorf("http call failed: %v", err)
		return types.ActionContinue
	}
	return types.HeaderStopAllIterationAndWatermark
}
