package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"

	"token-fetch/internal/abi"
	"token-fetch/internal/config"
	"token-fetch/internal/token"
)

// upstreamResponse is what an upstream has answered. What no entry of invalidateWhen names is not asked for.
type upstreamResponse interface {
	Status() int // 0 without an answer
	GRPCStatus() (string, bool)
	Header(name string) (string, bool)
}

// needsTrailers reports whether an entry can be decided on only once the trailers are there.
func needsTrailers(r *config.Rejection) bool { return len(r.GRPCStatus) > 0 }

// rejectsByHeaders reports whether the answer's headers say that the token is no longer good. Entries that
// hold but for the metadata are appended to metadataChecks.
func (p *cachePolicy) rejectsByHeaders(a upstreamResponse, isWhole bool, metadataChecks *[]*config.Rejection) bool {
	if len(p.invalidateOn)+len(p.invalidateWhen) == 0 {
		return false
	}
	status := a.Status()
	return slices.Contains(p.invalidateOn, status) ||
		p.rejects(func(r *config.Rejection) bool { return isWhole || !needsTrailers(r) }, status, a, metadataChecks)
}

// rejectsByCall reports whether a call that was made with a named token has failed in a way that says that the token is no longer good.
func (p *cachePolicy) rejectsByCall(err *token.Error) bool {
	return err.IsUnauthorized || slices.Contains(p.invalidateOn, err.Status)
}

// rejectsByTrailers is rejectsByHeaders for the entries that had to wait for the trailers.
func (p *cachePolicy) rejectsByTrailers(a upstreamResponse, metadataChecks *[]*config.Rejection) bool {
	return slices.ContainsFunc(p.invalidateWhen, func(r config.Rejection) bool { return needsTrailers(&r) }) && p.rejects(needsTrailers, a.Status(), a, metadataChecks)
}

func (p *cachePolicy) rejects(looksAt func(*config.Rejection) bool, status int, a upstreamResponse, metadataChecks *[]*config.Rejection) bool {
	for i := range p.invalidateWhen {
		r := &p.invalidateWhen[i]
		switch {
		case !looksAt(r) || !matchesExceptMetadata(r, status, a):
		case r.Property == "":
			return true
		default:
			*metadataChecks = append(*metadataChecks, r)
		}
	}
	return false
}

func matchesExceptMetadata(r *config.Rejection, status int, a upstreamResponse) bool {
	if len(r.Status) > 0 && !slices.Contains(r.Status, status) {
		return false
	}
	if len(r.GRPCStatus) > 0 {
		text, _ := a.GRPCStatus()
		code, err := strconv.Atoi(text)
		if err != nil || !slices.Contains(r.GRPCStatus, code) {
			return false
		}
	}
	if r.Header == "" {
		return true
	}
	value, found := a.Header(r.Header)
	return found && slices.Contains(r.Equals, value)
}

// metadataMatches reports whether the metadata is what the entry names.
func metadataMatches(r *config.Rejection, property func(path string) (string, bool)) bool {
	value, found := property(r.Property)
	return found && slices.ContainsFunc(propertyTexts(value), func(text string) bool { return slices.Contains(r.Equals, text) })
}

// propertyTexts is what a property may mean, of which the host does not say the type: a text, a number in the machine's
// eight bytes, or true or false in one.
func propertyTexts(value string) []string {
	texts := []string{value}
	switch {
	case len(value) == 8:
		number := math.Float64frombits(binary.LittleEndian.Uint64([]byte(value)))
		texts = append(texts, strconv.FormatFloat(number, 'f', -1, 64))
	case value == "\x00":
		texts = append(texts, "false")
	case value == "\x01":
		texts = append(texts, "true")
	}
	return texts
}

// hostResponse is the answer whose callback runs.
type hostResponse struct{}

func (hostResponse) Status() int                       { return abi.ResponseStatus() }
func (hostResponse) Header(name string) (string, bool) { return abi.ResponseHeader(name) }

// GRPCStatus is in the trailers, or in the headers of an answer that has nothing else.
func (hostResponse) GRPCStatus() (string, bool) {
	if value, found := abi.ResponseTrailer("grpc-status"); found && value != "" {
		return value, true
	}
	return abi.ResponseHeader("grpc-status")
}

// OnHttpResponseHeaders hears what the upstream says of the token. In the upstream filter chain that is before Envoy
// decides on a retry, so that the next attempt gets a new one.
func (r *requestContext) OnHttpResponseHeaders(_ int, endOfStream bool) types.Action {
	defer r.plugin.logPanic()
	if r.token != nil && r.entry != nil && r.part.cache.rejectsByHeaders(hostResponse{}, endOfStream, &r.metadataChecks) {
		r.rejectToken(r.part.cache.rejection(abi.ResponseStatus()))
	}
	return types.ActionContinue
}

// OnHttpResponseTrailers hears gRPC's status.
func (r *requestContext) OnHttpResponseTrailers(int) types.Action {
	defer r.plugin.logPanic()
	if r.token != nil && r.entry != nil && r.part.cache.rejectsByTrailers(hostResponse{}, &r.metadataChecks) {
		r.rejectToken(rejectionByEntry)
	}
	return types.ActionContinue
}

// checkMetadata comes when the whole answer has passed, and filters have found in its body what they look for.
func (r *requestContext) checkMetadata() {
	if slices.ContainsFunc(r.metadataChecks, func(s *config.Rejection) bool { return metadataMatches(s, abi.Property) }) {
		r.rejectToken(rejectionByEntry)
	}
	r.metadataChecks = nil
}

// rejectionByEntry is a rejection of another kind than by status, for the log.
const rejectionByEntry = "gave an answer that cache.invalidateWhen names"

// rejection is how an upstream has rejected a token by its headers, for the log.
func (p *cachePolicy) rejection(status int) string {
	if slices.Contains(p.invalidateOn, status) {
		return fmt.Sprintf("answered %d", status)
	}
	return rejectionByEntry
}

func (r *requestContext) rejectToken(how string) {
	if r.token != nil && isFromUpstream() {
		r.client.rejected.add(r.client.host, "upstream", how)
		r.cache.Reject(r.entry, r.token.ID)
	}
	r.token = nil // one verdict is enough
}

// isFromUpstream distinguishes the upstream's answer from one that another filter has given. In the upstream filter
// chain, the upstream's has no details yet.
func isFromUpstream() bool {
	details, err := proxywasm.GetProperty([]string{"response", "code_details"})
	return err != nil || len(details) == 0 || string(details) == "via_upstream"
}
