package main

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"

	"token-fetch/internal/abi"
	"token-fetch/internal/config"
)

// upstreamAnswer is what an upstream has answered. What no entry of invalidateWhen names is not asked for.
type upstreamAnswer interface {
	Status() int // 0 without an answer
	GRPCStatus() (string, bool)
	Header(name string) (string, bool)
	Property(path string) (string, bool)
}

// rejectsToken reports whether the answer says that the token is no longer good.
func (p *cachePolicy) rejectsToken(a upstreamAnswer) bool {
	if len(p.invalidateOn)+len(p.invalidateWhen) == 0 {
		return false
	}
	status := a.Status()
	return slices.Contains(p.invalidateOn, status) ||
		slices.ContainsFunc(p.invalidateWhen, func(r config.Rejection) bool { return holds(&r, status, a) })
}

func holds(r *config.Rejection, status int, a upstreamAnswer) bool {
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
	if r.Header != "" {
		value, found := a.Header(r.Header)
		return found && slices.Contains(r.Equals, value)
	}
	if r.Property != "" {
		value, found := a.Property(r.Property)
		return found && slices.ContainsFunc(propertyTexts(value), func(text string) bool { return slices.Contains(r.Equals, text) })
	}
	return true
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

// loggedAnswer is the one of the request that the host has just finished, with its trailers.
type loggedAnswer struct{}

func (loggedAnswer) Status() int                         { return abi.ResponseStatus() }
func (loggedAnswer) Header(name string) (string, bool)   { return abi.ResponseHeader(name) }
func (loggedAnswer) Property(path string) (string, bool) { return abi.Property(path) }

// GRPCStatus is in the trailers, or in the headers of an answer that has nothing else.
func (loggedAnswer) GRPCStatus() (string, bool) {
	if value, found := abi.ResponseTrailer("grpc-status"); found && value != "" {
		return value, true
	}
	return abi.ResponseHeader("grpc-status")
}

// heedUpstream drops the token when the upstream has rejected it.
func (r *requestContext) heedUpstream() {
	if r.part.cache.rejectsToken(loggedAnswer{}) && isFromUpstream() {
		r.cache.Reject(r.entry, r.token.ID)
	}
}

// isFromUpstream distinguishes the upstream's answer from one that another filter has given.
func isFromUpstream() bool {
	details, err := proxywasm.GetProperty([]string{"response", "code_details"})
	return err != nil || string(details) == "via_upstream"
}
