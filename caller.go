package main

import (
	"strings"

	"token-fetch/internal/abi"
	"token-fetch/internal/tokenservice"
)

// callerHeader is a request header that tokens depend on.
type callerHeader struct {
	name     string // in lower case
	property string // path of the property with its value
}

func callerHeaders(service *tokenservice.Service) []callerHeader {
	var headers []callerHeader
	for _, name := range service.CallerHeaders() {
		headers = append(headers, callerHeader{name, "request\x00headers\x00" + name})
	}
	return headers
}

// callerValues reads what the token depends on. The values are valid until the next request reads its own.
func (r *requestContext) callerValues() ([]byte, error) {
	buffer := &r.plugin.callers
	headers, ok := r.part.readCallerHeaders(buffer.headers[:0])
	if !ok {
		headers = abi.RequestHeaders(headers[:0])
	}
	values, err := r.part.Service.AppendCaller(buffer.values[:0], headers)
	if err == nil {
		buffer.values = values
	}
	clear(headers) // don't keep the host's data alive
	buffer.headers = headers
	return values, err
}

// maxCallerProperties is the number of properties up to which reading each is cheaper than reading all headers.
const maxCallerProperties = 3

// readCallerHeaders reads the headers one by one. It returns false if only reading all headers gives a reliable result:
// Envoy joins repeated headers with commas, and on a host without this property every header would seem absent.
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

// callerBuffer is reused by successive requests to read their callers without allocating.
type callerBuffer struct {
	headers [][2]string
	values  []byte
}
