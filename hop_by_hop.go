package main

import (
	"slices"
	"strings"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"

	"token-fetch/internal/abi"
)

// namingFields name other fields, and Envoy forwards them: Connection, of requests for an upgrade only, has the next hop
// remove those fields (RFC 9110 section 7.6.1); Trailer announces them after the body (section 6.6.2). Of their kind,
// Envoy itself removes Keep-Alive and Proxy-Connection, and leaves no field name in TE.
var namingFields = [...]string{"connection", "trailer"}

// hideFromNextHop takes the names of protected and removed headers out of the fields that name headers. A request without
// a body needs no call: Envoy has taken Connection off it, and no trailers follow.
func (r *requestContext) hideFromNextHop() (ok bool) {
	for _, field := range namingFields {
		if _, isSet := abi.RequestHeader(field); isSet && !r.hideFrom(field) {
			return false
		}
	}
	return true
}

func (r *requestContext) hideFrom(field string) bool {
	var named, kept []string
	for _, header := range abi.RequestHeaders(nil) {
		if header[0] == field {
			named = append(named, strings.Split(header[1], ",")...)
		}
	}
	for _, name := range named {
		if name = strings.Trim(name, " \t"); name != "" && !r.protects(name) {
			kept = append(kept, name)
		}
	}
	if len(kept) == len(named) {
		return true
	}
	r.keepRoute()
	if len(kept) == 0 {
		return proxywasm.RemoveHttpRequestHeader(field) == nil
	}
	return proxywasm.ReplaceHttpRequestHeader(field, strings.Join(kept, ", ")) == nil // all of its lines
}

// protects reports whether the request must not reach the upstream with the client's own header or trailer of that name.
func (r *requestContext) protects(name string) bool {
	is := func(protected string) bool { return strings.EqualFold(protected, name) }
	return slices.ContainsFunc(r.protected(), is) || slices.ContainsFunc(r.part.service.Removed, is)
}

// protected are the headers that come from the token service only.
func (r *requestContext) protected() []string {
	names := r.part.service.Protected
	if r.ownToken {
		return names[1:]
	}
	return names
}
