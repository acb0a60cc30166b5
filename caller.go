package main

import (
	"strings"

	"token-fetch/internal/abi"
	"token-fetch/internal/tokenservice"
)

// callerHeader is a request header that tokens depend on.
type callerHeader struct {
	name     string // in lower case
	property string // by which the host hands out its values alone
}

func callerHeaders(service *tokenservice.Service) []callerHeader {
	var headers []callerHeader
	for _, name := range service.CallerHeaders() {
		headers = append(headers, callerHeader{name, "request\x00headers\x00" + name})
	}
	return headers
}

// callerValues reads what the token depends on. The values are good until the next request's are read.
func (r *requestContext) callerValues() ([]byte, error) {
	buffer := &r.plugin.callers
	headers, ok := r.part.readCallerHeaders(buffer.headers[:0])
	if !ok {
		headers = abi.RequestHeaders(headers[:0])
	}
	values, err := r.part.service.AppendCaller(buffer.values[:0], headers)
	if err == nil {
		buffer.values = values
	}
	clear(headers) // they would keep all that the host has handed out
	buffer.headers = headers
	return values, err
}

// maxCallerProperties is up to how many properties cost less than all headers at once.
const maxCallerProperties = 3

// readCallerHeaders asks for the headers one by one. It reports false where only all of them tell what the request
// brings: Envoy joins the values of headers with one name by commas, and a host without this property
// looks as if there were no header.
func (p *part) readCallerHeaders(to [][2]string) ([][2]string, bool) {
	if len(p.callerHeaders) > maxCallerProperties {
		return to, false
	}
	for _, header := range p.callerHeaders {
		value, ok := abi.Property(header.property)
		if !ok || strings.Contains(value, ",") {
			return to, false
		}
		to = append(to, [2]string{header.name, value})
	}
	return to, true
}

// callerBuffer is what one request after the other uses to read of its caller, so that none of them allocates it.
type callerBuffer struct {
	headers [][2]string
	values  []byte
}
