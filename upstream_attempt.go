package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"

	"token-fetch/internal/abi"
	"token-fetch/internal/token"
)

// This file makes attempts of a request independent of each other. As an upstream filter, the plugin runs for every
// attempt, and Envoy passes on the headers as the previous attempt left them: with the plugin's token instead of the
// client's, and without exchanged tokens. If that token were taken for the client's, it would itself be exchanged, or
// its claims would pick the tenant.

// upstreamOnly is a property that only exists in upstream filters; elsewhere there is a single attempt. It is usually
// empty, and costs a microsecond where it does not exist. Others exist everywhere, like upstream.request_attempt_count,
// and cost several.
const upstreamOnly = "upstream\x00transport_failure_reason"

// attemptNumber is the property with the number of the attempt, from 1, as a 64-bit little-endian integer.
const (
	attemptNumber = "upstream\x00request_attempt_count"
	firstAttempt  = "\x01\x00\x00\x00\x00\x00\x00\x00"
)

// setRereadHeaders sets, for each part, the headers that it reads and any part changes. Attempts of one request may
// belong to different parts: with auto_host_rewrite, Envoy replaces the authority during the first one.
func (p *pluginContext) setRereadHeaders() {
	var parts []*part
	var changed []string
	for _, m := range slices.Concat(p.modes, []mode{p.global}) {
		if part := m.configPart(); part != nil {
			parts, changed = append(parts, part), append(changed, part.changedHeaders()...)
		}
	}
	for _, part := range parts {
		part.rereadHeaders = slices.DeleteFunc(part.readHeaders(), func(name string) bool { return !slices.Contains(changed, name) })
		part.keptHeaders = fmt.Sprintf("%s.client.%x.%s", pluginName, part.Identity, strings.Join(part.rereadHeaders, ","))
	}
}

// readHeaders returns the headers, in lower case, that decide on the token.
func (p *part) readHeaders() []string {
	read := append(p.Service.CallerHeaders(), p.Service.TraceHeaders()...)
	if !p.Overwrite {
		read = append(read, strings.ToLower(p.Service.TokenHeader()))
	}
	slices.Sort(read)
	return slices.Compact(read)
}

// changedHeaders returns the headers, in lower case, that the plugin changes.
func (p *part) changedHeaders() []string {
	changed := slices.Clone(p.Service.Removed)
	if len(p.Service.RemovedCookies) > 0 {
		changed = append(changed, "cookie")
	}
	for _, name := range p.Service.Protected {
		changed = append(changed, strings.ToLower(name))
	}
	return changed
}

// restoreHeaders saves the client's values of these headers in the first attempt, and restores them in later ones. The
// host keeps them as long as the request.
func (r *requestContext) restoreHeaders() *token.Error {
	names := r.part.rereadHeaders
	if len(names) == 0 {
		return nil
	}
	if _, isAttempt := abi.Property(upstreamOnly); !isAttempt {
		return nil
	}
	kept, isKept := abi.Property(r.part.keptHeaders)
	if !isKept {
		if number, _ := abi.Property(attemptNumber); number != firstAttempt {
			r.plugin.reportOtherRule(r.part)
			return errInternal
		}
		abi.SetProperty(r.part.keptHeaders, headerLines(names))
		return nil
	}
	for _, name := range names {
		if !restoreHeader(name, kept) {
			return errInternal
		}
	}
	return nil
}

// reportOtherRule reports an attempt whose request another rule has already changed, so that the client's headers are
// no longer known.
func (p *pluginContext) reportOtherRule(part *part) {
	p.otherRules.add(p, func(more string) string {
		return fmt.Sprintf("an attempt of a request matched %s, but its first attempt another rule, which has changed headers that this one reads%s; "+
			"such requests are answered %d (with auto_host_rewrite, use rules by route)", part.name, more, part.Failure.Status)
	})
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
