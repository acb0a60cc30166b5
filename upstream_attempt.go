package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"

	"token-fetch/internal/abi"
	"token-fetch/internal/config"
)

// This file makes attempts of a request independent of each other. As an upstream filter, the plugin runs for every
// attempt, and Envoy passes on the headers as the previous attempt left them: with the plugin's token instead of the
// client's, and without exchanged tokens. If that token were taken for the client's, it would itself be exchanged, or its
// claims would pick the tenant.

// upstreamOnly is a property that only exists in upstream filters; elsewhere there is a single attempt. It is usually
// empty, and costs a microsecond where it does not exist. Others exist everywhere, like upstream.request_attempt_count,
// and cost several.
const upstreamOnly = "upstream\x00transport_failure_reason"

// attemptNumber is the property with the number of the attempt, from 1, as a 64-bit little-endian integer.
const (
	attemptNumber = "upstream\x00request_attempt_count"
	firstAttempt  = "\x01\x00\x00\x00\x00\x00\x00\x00"
)

// savedHeaders are the client's headers, by their names in lower case, from which each attempt starts.
type savedHeaders struct {
	names    []string
	property string // with their lines; the host keeps it as long as the request
}

// setSavedHeaders decides which headers are saved. With rules by domain, attempts of one request may belong to different
// parts, because Envoy replaces the authority during the first one if the route has auto_host_rewrite. Where no attempt
// can read what another has changed, requests are spared the question whether they are attempts.
func (p *pluginContext) setSavedHeaders(c *config.Config) {
	var parts []*part
	for _, m := range append(slices.Clone(p.modes), p.global) {
		if part := m.configPart(); part != nil {
			parts = append(parts, part)
		}
	}
	if !slices.ContainsFunc(c.Rules, func(r config.Rule) bool { return len(r.Domains) > 0 }) {
		for i, part := range parts {
			part.saved = newSavedHeaders(parts[i : i+1])
		}
		return
	}
	p.saved = newSavedHeaders(parts)
	for _, part := range parts {
		part.saved = p.saved
	}
}

// newSavedHeaders returns the headers that one of the parts changes and one of them reads. The property does not depend on
// the tokens' configuration, so that an update between two attempts rarely matters.
func newSavedHeaders(parts []*part) savedHeaders {
	var read, changed []string
	for _, part := range parts {
		read, changed = append(read, part.readHeaders()...), append(changed, part.changedHeaders()...)
	}
	if len(parts) > 1 {
		read = append(read, "cookie") // a part keeps cookies that another may have set or removed
	}
	slices.Sort(read)
	slices.Sort(changed)
	names := slices.DeleteFunc(slices.Compact(changed), func(name string) bool {
		_, isRead := slices.BinarySearch(read, name)
		return !isRead
	})
	return savedHeaders{names, pluginName + ".client." + strings.Join(names, ",")}
}

// readHeaders returns the headers, in lower case, that decide on the token.
func (p *part) readHeaders() []string {
	read := slices.Concat(p.Service.CallerHeaders(), p.Service.TraceHeaders())
	if !p.Overwrite {
		read = append(read, strings.ToLower(p.Service.TokenHeader()))
	}
	return read
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

// restoreHeaders saves the client's headers in the first attempt, and restores them in later ones. It returns false if it
// can't.
func (r *requestContext) restoreHeaders() (ok bool) {
	saved := &r.plugin.saved
	if r.part != nil {
		saved = &r.part.saved
	}
	if len(saved.names) == 0 {
		return true
	}
	if _, isAttempt := abi.Property(upstreamOnly); !isAttempt {
		return true
	}
	if number, _ := abi.Property(attemptNumber); number == firstAttempt {
		abi.SetProperty(saved.property, headerLines(saved.names))
		return true
	}
	lines, isSaved := abi.Property(saved.property)
	if !isSaved {
		r.plugin.reportUnsaved()
		return false
	}
	return removeAll(saved.names) && addHeaders(lines)
}

// headerLines encodes the headers as lines NAME:VALUE. Header values can't contain line breaks.
func headerLines(names []string) string {
	var lines strings.Builder
	for _, header := range abi.RequestHeaders(nil) {
		if slices.Contains(names, header[0]) {
			lines.WriteString(header[0] + ":" + header[1] + "\n")
		}
	}
	return lines.String()
}

// addHeaders adds headers that headerLines has encoded.
func addHeaders(lines string) (ok bool) {
	for line := range strings.Lines(lines) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		if proxywasm.AddHttpRequestHeader(name, value) != nil {
			return false
		}
	}
	return true
}

// reportUnsaved reports a later attempt of a request whose first one has not saved the client's headers.
func (p *pluginContext) reportUnsaved() {
	p.unsaved.add(p, func(more string) string {
		return fmt.Sprintf("an attempt of a request was denied%s: its first attempt had another configuration, so the client's headers are unknown", more)
	})
}
