package main

import (
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
		if i == 0 && r.part.service.Cookies != nil {
			err = r.setCookies(values[i])
		} else if values[i] == "" {
			err = proxywasm.RemoveHttpRequestHeader(name)
		} else {
			err = proxywasm.ReplaceHttpRequestHeader(name, values[i])
		}
		if err != nil {
			return false
		}
	}
	return removeAll(r.part.service.Removed)
}

// setCookies sets the token's cookies among the client's others; without a token it only takes the client's own of these
// names away.
func (r *requestContext) setCookies(token string) error {
	cookies := r.part.service.CookieHeader(r.cookieLines(), token)
	if cookies == "" {
		return proxywasm.RemoveHttpRequestHeader(r.part.service.TokenHeader())
	}
	return proxywasm.ReplaceHttpRequestHeader(r.part.service.TokenHeader(), cookies)
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
		return r.removeHeaders(service.Protected, service.Removed)
	}
	return r.removeHeaders(service.Protected[1:], service.Removed) && r.setCookies("") == nil
}

// removeHeaders takes two lists of headers off the request.
func (r *requestContext) removeHeaders(names, more []string) bool {
	if len(names)+len(more) > 0 {
		r.keepRoute()
	}
	return removeAll(names) && removeAll(more)
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
