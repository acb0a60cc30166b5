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

// upstreamResponse is an upstream's response. Only what entries of invalidateWhen name is read from it.
type upstreamResponse interface {
	Status() int // 0 without a response
	GRPCStatus() (string, bool)
	Header(name string) (string, bool)
}

// needsTrailers reports whether an entry can be decided only once the trailers are there.
func needsTrailers(entry *config.Rejection) bool { return len(entry.GRPCStatus) > 0 }

// rejectsByHeaders reports whether the response's headers reject the token. Entries that match except for metadata are
// appended to metadataChecks.
func (p *part) rejectsByHeaders(response upstreamResponse, isWhole bool, metadataChecks *[]*config.Rejection) bool {
	if len(p.Cache.InvalidateOn)+len(p.Cache.InvalidateWhen) == 0 {
		return false
	}
	status := response.Status()
	return slices.Contains(p.Cache.InvalidateOn, status) ||
		p.rejects(func(entry *config.Rejection) bool { return isWhole || !needsTrailers(entry) }, status, response, metadataChecks)
}

// rejectsByCall reports whether a failed call means that the named token it was made with is no longer valid.
func (p *part) rejectsByCall(err *token.Error) bool {
	return err.IsUnauthorized || slices.Contains(p.Cache.InvalidateOn, err.Status)
}

// rejectsByTrailers is rejectsByHeaders for the entries that need trailers.
func (p *part) rejectsByTrailers(response upstreamResponse, metadataChecks *[]*config.Rejection) bool {
	return slices.ContainsFunc(p.Cache.InvalidateWhen, func(entry config.Rejection) bool { return needsTrailers(&entry) }) &&
		p.rejects(needsTrailers, response.Status(), response, metadataChecks)
}

func (p *part) rejects(looksAt func(*config.Rejection) bool, status int, response upstreamResponse, metadataChecks *[]*config.Rejection) bool {
	for i := range p.Cache.InvalidateWhen {
		entry := &p.Cache.InvalidateWhen[i]
		switch {
		case !looksAt(entry) || !matchesExceptMetadata(entry, status, response):
		case entry.Property == "":
			return true
		default:
			*metadataChecks = append(*metadataChecks, entry)
		}
	}
	return false
}

func matchesExceptMetadata(entry *config.Rejection, status int, response upstreamResponse) bool {
	if len(entry.Status) > 0 && !slices.Contains(entry.Status, status) {
		return false
	}
	if len(entry.GRPCStatus) > 0 {
		text, _ := response.GRPCStatus()
		code, err := strconv.Atoi(text)
		if err != nil || !slices.Contains(entry.GRPCStatus, code) {
			return false
		}
	}
	if entry.Header == "" {
		return true
	}
	value, found := response.Header(entry.Header)
	return found && slices.Contains(entry.Equals, value)
}

// metadataMatches reports whether the metadata has one of the entry's values.
func metadataMatches(entry *config.Rejection, property func(path string) (string, bool)) bool {
	value, found := property(entry.Property)
	return found && slices.ContainsFunc(propertyTexts(value), func(text string) bool { return slices.Contains(entry.Equals, text) })
}

// propertyTexts returns the possible meanings of a property, whose type the host does not tell: a string, a number in 8
// bytes, or a boolean in 1 byte.
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

// hostResponse is the response of the current callback.
type hostResponse struct{}

func (hostResponse) Status() int                       { return abi.ResponseStatus() }
func (hostResponse) Header(name string) (string, bool) { return abi.ResponseHeader(name) }

// GRPCStatus is in the trailers, or in the headers of a trailers-only response.
func (hostResponse) GRPCStatus() (string, bool) {
	if value, found := abi.ResponseTrailer("grpc-status"); found && value != "" {
		return value, true
	}
	return abi.ResponseHeader("grpc-status")
}

// OnHttpResponseHeaders checks whether the upstream rejects the token. In an upstream filter this happens before Envoy
// decides on a retry, so that the next attempt gets a new token.
func (r *requestContext) OnHttpResponseHeaders(_ int, endOfStream bool) types.Action {
	defer r.plugin.logPanic()
	if r.token != nil && r.entry != nil && r.part.rejectsByHeaders(hostResponse{}, endOfStream, &r.metadataChecks) {
		r.rejectToken(r.part.rejection(abi.ResponseStatus()))
	}
	return types.ActionContinue
}

// OnHttpResponseTrailers checks the gRPC status.
func (r *requestContext) OnHttpResponseTrailers(int) types.Action {
	defer r.plugin.logPanic()
	if r.token != nil && r.entry != nil && r.part.rejectsByTrailers(hostResponse{}, &r.metadataChecks) {
		r.rejectToken(rejectionByEntry)
	}
	return types.ActionContinue
}

// checkMetadata runs after the whole response has passed and other filters have extracted metadata from its body.
func (r *requestContext) checkMetadata() {
	if slices.ContainsFunc(r.metadataChecks, func(entry *config.Rejection) bool { return metadataMatches(entry, abi.Property) }) {
		r.rejectToken(rejectionByEntry)
	}
	r.metadataChecks = nil
}

// rejectionByEntry describes, for the log, a rejection other than by status.
const rejectionByEntry = "sent a response that matches cache.invalidateWhen"

// rejection describes, for the log, how an upstream rejected a token by its headers.
func (p *part) rejection(status int) string {
	if slices.Contains(p.Cache.InvalidateOn, status) {
		return fmt.Sprintf("answered %d", status)
	}
	return rejectionByEntry
}

func (r *requestContext) rejectToken(how string) {
	if r.token != nil && isFromUpstream() {
		r.log.tokenRejected("upstream", how)
		r.cache.Reject(r.entry, r.token.ID)
	}
	r.token = nil // report only once
}

// isFromUpstream distinguishes the upstream's response from one by another filter. In an upstream filter, the
// upstream's has no code details yet.
func isFromUpstream() bool {
	details, err := proxywasm.GetProperty([]string{"response", "code_details"})
	return err != nil || len(details) == 0 || string(details) == "via_upstream"
}
