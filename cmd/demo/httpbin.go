package main

import (
	"net/http"
	"time"

	"github.com/mccutchen/go-httpbin/v2/httpbin"
)

// startHTTPBin serves httpbin until its Close.
func startHTTPBin(port int) (*http.Server, error) {
	listener, err := listen(port)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: httpbin.New(), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // ends with Close
	return server, nil
}
