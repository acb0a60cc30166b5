package main

import "token-fetch/internal/abi"

// callerValues reads what the token depends on. The values are good until the next request's are read.
func (r *requestContext) callerValues() ([]byte, error) {
	service, room := r.part.service, &r.plugin.callers
	headers := room.headers[:0]
	if name, isAll := service.SubjectHeader(); !isAll {
		headers = abi.RequestHeaders(headers) // asked for one by one, the host hands out the first value of each only
	} else if value, ok := abi.RequestHeader(name); ok {
		headers = append(headers, [2]string{name, value})
	}
	values, err := service.AppendCaller(room.values[:0], headers)
	if err == nil {
		room.values = values
	}
	clear(headers) // they would keep all that the host has handed out
	room.headers = headers
	return values, err
}

// callerRoom is what one request after the other uses to read of its caller, so that none of them allocates it.
type callerRoom struct {
	headers [][2]string
	values  []byte
}
