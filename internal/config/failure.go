package config

import (
	"fmt"
	"strings"

	"token-fetch/internal/schema"
	"token-fetch/internal/tokenservice"
)

// Failure is how requests without a token are answered.
type Failure struct {
	Mode    Mode
	Status  uint32 // of the reply
	Body    []byte
	Headers [][2]string // names in lower case; content-type is the first
}

// Mode is which requests without a token are denied.
type Mode int

// The modes.
const (
	AsSample Mode = iota // nothing configured: as in the guide's sample
	Deny
	Allow
)

// readFailure reads the object failure. Configurations that use anything newer than the sample fail closed.
func readFailure(s schema.Section, isCached bool) Failure {
	failure := s.Object(keyFailure)
	f := Failure{
		Status:  uint32(failure.Int(keyStatus)), //nolint:gosec // within the key's limits
		Body:    []byte(failure.String(keyBody)),
		Headers: append([][2]string{{"content-type", readContentType(failure)}}, readReplyHeaders(failure)...),
	}
	switch {
	case failure.String(keyMode) == "allow":
		f.Mode = Allow
	case s.Has(keyFailure) || isCached:
		f.Mode = Deny
	}
	return f
}

func readContentType(failure schema.Section) string {
	contentType := failure.String(keyContentType)
	if !tokenservice.IsHeaderValue(contentType) {
		failure.InvalidKey(keyContentType, tokenservice.WantHeaderValue)
	}
	return contentType
}

// Limits of failure.headers: many clients and proxies refuse more.
const (
	maxReplyHeaders     = 32
	maxReplyHeaderBytes = 8 << 10 // of names and values
)

func readReplyHeaders(failure schema.Section) [][2]string {
	var headers [][2]string
	size := 0
	for _, header := range failure.Members(keyReplyHeaders) {
		name := strings.ToLower(header.Name)
		switch {
		case name == "content-type":
			failure.InvalidMember(keyReplyHeaders, header.Name, "it in "+failure.Name(keyContentType))
		case name == "content-encoding" || !tokenservice.IsSettableHeader(name):
			failure.InvalidMember(keyReplyHeaders, header.Name, tokenservice.WantSettableHeader+" or the body's")
		case !tokenservice.IsHeaderValue(header.Value):
			failure.InvalidMember(keyReplyHeaders, header.Name, tokenservice.WantHeaderValue)
		}
		size += len(name) + len(header.Value)
		headers = append(headers, [2]string{name, header.Value})
	}
	if len(headers) > maxReplyHeaders || size > maxReplyHeaderBytes {
		failure.InvalidKey(keyReplyHeaders, fmt.Sprintf("at most %d headers, of %d bytes together", maxReplyHeaders, maxReplyHeaderBytes))
	}
	return headers
}
