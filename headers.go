package main

import (
	"slices"
	"strings"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"

	"token-fetch/internal/abi"
)

// This file changes a request's headers and trailers before they go upstream.

// setHeaders sets the protected headers, and removes those without a value and the tokens that were exchanged.
func (r *requestContext) setHeaders(values []string) bool {
	r.keepRoute()
	for i, name := range r.part.Service.Protected {
		var err error
		switch {
		case i == 0 && r.part.Service.Cookies != nil:
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

// removeConsumed removes the tokens that were exchanged.
func (r *requestContext) removeConsumed() bool {
	service := r.part.Service
	if len(service.RemovedCookies) > 0 && service.Cookies == nil && r.setCookies("") != nil {
		return false
	}
	return removeAll(service.Removed)
}

// setCookies adds the token's cookies to the client's others. Without a token, it only removes the client's cookies
// with these names.
func (r *requestContext) setCookies(token string) error {
	cookies := r.part.Service.CookieHeader(r.cookieLines(), token)
	if cookies == "" {
		return proxywasm.RemoveHttpRequestHeader("cookie")
	}
	return proxywasm.ReplaceHttpRequestHeader("cookie", cookies)
}

// cookieLines returns the values of the client's Cookie headers.
func (r *requestContext) cookieLines() (lines []string) {
	for _, header := range abi.RequestHeaders(nil) {
		if header[0] == "cookie" {
			lines = append(lines, header[1])
		}
	}
	return lines
}

// removeProtected removes the headers that only the plugin may set, and the tokens that were exchanged.
func (r *requestContext) removeProtected() bool {
	service := r.part.Service
	if service.Cookies == nil {
		return r.removeHeaders(service.Protected)
	}
	return r.removeHeaders(service.Protected[1:]) && r.setCookies("") == nil
}

// removeHeaders removes the named headers, and the tokens that were exchanged.
func (r *requestContext) removeHeaders(names []string) bool {
	if len(names)+len(r.part.Service.Removed)+len(r.part.Service.RemovedCookies) > 0 {
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

// keepRoute prevents the gateway from choosing the route again, so that it stays the one by which the rule was chosen.
// The Higress host honors this property, even in older versions. Stock Envoy ignores it (TestRouteAfterTheToken), so it
// is not set once the host has turned out to be stock Envoy.
func (r *requestContext) keepRoute() {
	if r.plugin.keepsRoute && !r.plugin.hasXDSAttributes {
		abi.SetProperty("clear_route_cache", "off")
	}
}

// namingFields are headers that name others and that Envoy forwards: Connection, on upgrade requests only, makes the
// next hop remove the headers it names (RFC 9110 section 7.6.1); Trailer announces those after the body (section
// 6.6.2). Of similar headers, Envoy removes Keep-Alive and Proxy-Connection, and leaves no header names in TE.
var namingFields = [...]string{"connection", "trailer"}

// hideFromNextHop removes the names of protected and removed headers from the headers that name others. It is not
// needed for a request without a body: Envoy has removed its Connection, and it has no trailers.
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
	return proxywasm.ReplaceHttpRequestHeader(field, strings.Join(kept, ", ")) == nil // replaces all lines
}

// protects reports whether the client's own header or trailer with that name must not reach the upstream.
func (r *requestContext) protects(name string) bool {
	is := func(protected string) bool { return strings.EqualFold(protected, name) }
	return slices.ContainsFunc(r.protected(), is) || slices.ContainsFunc(r.part.Service.Removed, is)
}

// protected are the headers that may come only from the token service.
func (r *requestContext) protected() []string {
	names := r.part.Service.Protected
	if r.ownToken {
		return names[1:]
	}
	return names
}

// OnHttpRequestTrailers removes trailers that an upstream could take for protected or exchanged headers. Envoy calls it
// after the request's headers were handled, if there are trailers.
func (r *requestContext) OnHttpRequestTrailers(int) types.Action {
	defer r.plugin.logPanic()
	if r.part == nil {
		return types.ActionContinue
	}
	removeTrailers(r.protected())
	removeTrailers(r.part.Service.ExchangedHeaders()) // even if the header or cookie itself is kept
	return types.ActionContinue
}

func removeTrailers(names []string) {
	for _, name := range names {
		_ = proxywasm.RemoveHttpRequestTrailer(name) // fails only if there is none
	}
}
