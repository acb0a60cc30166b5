package main

import "github.com/higress-group/proxy-wasm-go-sdk/proxywasm"

// What rules ask about a request. Each answer costs a host call of some microseconds.

var _ facts = (*requestContext)(nil)

func (r *requestContext) domain() string {
	authority, _ := proxywasm.GetHttpRequestHeader(":authority")
	return withoutPort(authority)
}

func (r *requestContext) routeName() string {
	name, _ := proxywasm.GetProperty([]string{"route_name"})
	return string(name)
}

func (r *requestContext) service() string {
	name, _ := proxywasm.GetProperty([]string{"cluster_name"})
	return string(name)
}
