package main

import (
	"strings"

	"token-fetch/internal/abi"
	"token-fetch/internal/rules"
)

// This file is what rules ask about a request. Each method costs a host call of several microseconds.

var _ rules.Request = (*requestContext)(nil)

// Authority implements rules.Request, like the next two methods.
func (r *requestContext) Authority() string {
	authority, _ := abi.RequestHeader(":authority")
	return authority
}

// RouteName is the route's name.
func (r *requestContext) RouteName() string { return r.plugin.xdsProperty("xds\x00route_name") }

// Cluster is the name of the route's cluster.
func (r *requestContext) Cluster() string { return r.plugin.xdsProperty("xds\x00cluster_name") }

// xdsProperty reads what is a separate property on the Higress host and an attribute below xds on stock Envoy. The
// first request finds out which of the two the host is. The Higress host has the property whenever it has the
// attribute: wasm-go's matcher, and so every plugin for that host, relies on it.
func (p *pluginContext) xdsProperty(path string) string {
	if !p.hasXDSAttributes {
		if value, ok := abi.Property(strings.TrimPrefix(path, "xds\x00")); ok {
			return value
		}
	}
	value, ok := abi.Property(path)
	if ok {
		p.hasXDSAttributes = true
	}
	return value
}
