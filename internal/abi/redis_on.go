//go:build redis

package abi

import (
	"time"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
)

// HasRedis says whether this file can share tokens with other gateways. This one loads in the Higress host only.
const HasRedis = true

// RedisInit makes the host's client of Redis. wasm-go's client is passed by, as it writes what is sent and received into
// the log.
func RedisInit(cluster, username, password string, timeout time.Duration) error {
	return proxywasm.RedisInit(cluster, username, password, uint32(timeout.Milliseconds())) //nolint:gosec // within the key's limits
}

// RedisCall sends a command. done is told once, in the root context that calls, whether there was a reply, and which: no
// more than most bytes of it.
func RedisCall(cluster string, command []byte, most int, done func(ok bool, reply []byte)) error {
	_, err := proxywasm.DispatchRedisCall(cluster, command, func(status, size int) {
		if status != 0 || size <= 0 {
			done(false, nil)
			return
		}
		reply, err := proxywasm.GetRedisCallResponse(0, min(size, most))
		done(err == nil, reply)
	})
	return err
}
