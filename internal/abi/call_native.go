//go:build !wasip1

package abi

import (
	"time"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
)

// DispatchHTTPCall makes a call for a root context; done is called once, unless the context is deleted before.
func DispatchHTTPCall(root uint32, cluster string, headers [][2]string, body []byte, timeout time.Duration,
	done func(headers, bodySize, trailers int)) (err error) {
	AsRoot(root, func() {
		_, err = proxywasm.DispatchHttpCall(cluster, headers, body, nil, uint32(timeout.Milliseconds()), done) //nolint:gosec // within the key's limits
	})
	return err
}
