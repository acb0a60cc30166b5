package main

import (
	"encoding/hex"
	"slices"
	"strings"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"

	"token-fetch/internal/abi"
	"token-fetch/internal/tokenservice"
)

// This file makes attempts of a request independent of each other. As an upstream filter, the plugin runs for every
// attempt, and Envoy passes on the headers as the previous attempt left them: with the plugin's token instead of the
// client's, and without exchanged tokens. If that token were taken for the client's, it would itself be exchanged, or
// its claims would pick the tenant.

// upstreamOnly is a property that only exists in upstream filters; elsewhere there is a single attempt. It is usually
// empty, and costs a microsecond where it does not exist. Others exist everywhere, like upstream.request_attempt_count,
// and cost several.
const upstreamOnly = "upstream\x00transport_failure_reason"

// rereadHeaders are the headers, in lower case, that the plugin both reads and changes.
func rereadHeaders(service *tokenservice.Service, overwrite bool) []string {
	read := append(service.CallerHeaders(), service.TraceHeaders()...)
	if !overwrite {
		read = append(read, strings.ToLower(service.TokenHeader()))
	}
	changed := slices.Clone(service.Removed)
	if len(service.RemovedCookies) > 0 {
		changed = append(changed, "cookie")
	}
	for _, name := range service.Protected {
		changed = append(changed, strings.ToLower(name))
	}
	slices.Sort(read)
	return slices.DeleteFunc(slices.Compact(read), func(name string) bool { return !slices.Contains(changed, name) })
}

// restoreHeaders saves the client's values of these headers in the first attempt, and restores them in later ones. The
// host keeps them as long as the request.
func (r *requestContext) restoreHeaders() (ok bool) {
	names := r.part.rereadHeaders
	if len(names) == 0 {
		return true
	}
	if _, isAttempt := abi.Property(upstreamOnly); !isAttempt {
		return true
	}
	property := pluginName + ".client." + hex.EncodeToString(r.part.Identity[:])
	kept, isKept := abi.Property(property)
	if !isKept {
		abi.SetProperty(property, headerLines(names))
		return true
	}
	for _, name := range names {
		if !restoreHeader(name, kept) {
			return false
		}
	}
	return true
}

// headerLines encodes the headers as lines NAME:VALUE, starting with a line break, which header values can't contain.
// It is never empty.
func headerLines(names []string) string {
	var lines strings.Builder
	lines.WriteByte('\n')
	for _, header := range abi.RequestHeaders(nil) {
		if slices.Contains(names, header[0]) {
			lines.WriteString(header[0] + ":" + header[1] + "\n")
		}
	}
	return lines.String()
}

func restoreHeader(name, lines string) (ok bool) {
	if proxywasm.RemoveHttpRequestHeader(name) != nil {
		return false
	}
	for line := range strings.SplitSeq(lines, "\n") {
		if value, isOf := strings.CutPrefix(line, name+":"); isOf && proxywasm.AddHttpRequestHeader(name, value) != nil {
			return false
		}
	}
	return true
}
