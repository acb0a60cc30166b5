package main

import (
	"strings"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
)

// What rules ask about a request. Each answer costs a host call of some microseconds.

var _ facts = (*requestContext)(nil)

func (r *requestContext) domain() string {
	authority, _ := proxywasm.GetHttpRequestHeader(":authority")
	return strings.ToLower(withoutPort(authority)) // hosts know no case (RFC 9110 section 4.2.3)
}

func (r *requestContext) routeName() string { return r.plugin.xdsProperty("route_name") }
func (r *requestContext) service() string   { return r.plugin.xdsProperty("cluster_name") }

// xdsProperty reads what the Higress host has as a property of its own, and stock
// Envoy among its attributes, below xds. Which of the two it is, the first
// request finds out.
func (p *pluginContext) xdsProperty(name string) string {
	if !p.xdsAttributes {
		if value, err := proxywasm.GetProperty([]string{name}); err == nil {
			return string(value)
		}
	}
	value, err := proxywasm.GetProperty([]string{"xds", name})
	if err == nil {
		p.xdsAttributes = true
	}
	return string(value)
}
