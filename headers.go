package main

import (
	"slices"
	"strings"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"

	"token-fetch/internal/abi"
)

// This file is what is done to a request's headers before it goes on.

// setHeaders sets the protected headers to the values, and removes those without one and the tokens that
// were exchanged.
func (r *requestContext) setHeaders(values []string) bool {
	r.keepRoute()
	for i, name := range r.part.service.Protected {
		var err error
		switch {
		case i == 0 && r.part.service.Cookies != nil:
			err = r.setCookies(values[i])
		case values[i] == "":
			err = proxywasm.RemoveHttpRequestHeader(name)
		default:
			err = proxywasm.ReplaceHttpRequestHeader(name, values[i])
		}
		if err != nil {
			return false
		}
	}
	return r.removeConsumed()
}

// removeConsumed takes off what was exchanged.
func (r *requestContext) removeConsumed() bool {
	service := r.part.service
	if len(service.RemovedCookies) > 0 && service.Cookies == nil && r.setCookies("") != nil {
		return false
	}
	return removeAll(service.Removed)
}

// setCookies sets the token's cookies among the client's others; without a token it only takes the client's own of these
// names away.
func (r *requestContext) setCookies(token string) error {
	cookies := r.part.service.CookieHeader(r.cookieLines(), token)
	if cookies == "" {
		return proxywasm.RemoveHttpRequestHeader("cookie")
	}
	return proxywasm.ReplaceHttpRequestHeader("cookie", cookies)
}

// cookieLines are the values of the client's Cookie headers.
func (r *requestContext) cookieLines() (lines []string) {
	for _, header := range abi.RequestHeaders(nil) {
		if header[0] == "cookie" {
			lines = append(lines, header[1])
		}
	}
	return lines
}

// removeProtected takes off what only the plugin may set, and the tokens that were exchanged.
func (r *requestContext) removeProtected() bool {
	service := r.part.service
	if service.Cookies == nil {
		return r.removeHeaders(service.Protected)
	}
	return r.removeHeaders(service.Protected[1:]) && r.setCookies("") == nil
}

// removeHeaders takes headers off the request, and what was exchanged.
func (r *requestContext) removeHeaders(names []string) bool {
	if len(names)+len(r.part.service.Removed)+len(r.part.service.RemovedCookies) > 0 {
		r.keepRoute()
	}
	return removeAll(names) && r.removeConsumed()
}

func removeAll(names []string) bool {
	for _, name := range names {
		if proxywasm.RemoveHttpRequestHeader(name) != nil {
			return false
		}
	}
	return true
}

// keepRoute has the gateway stay with the route by which the rule was chosen. The Higress host heeds the property, its
// older versions too. Stock Envoy would keep it among the request's state and choose anew all the same
// (TestRouteAfterTheToken): it is spared that once its attributes have given it away.
func (r *requestContext) keepRoute() {
	if r.plugin.keepsRoute && !r.plugin.hasXDSAttributes {
		abi.SetProperty("clear_route_cache", "off")
	}
}

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
