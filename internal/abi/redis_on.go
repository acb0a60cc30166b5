//go:build redis

package abi

import (
	"time"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
)

// HasRedis reports whether this file can share tokens through Redis. Only the Higress host can load this one.
const HasRedis = true

// RedisInit configures the host's Redis client. It bypasses wasm-go's client, which logs what is sent and received.
func RedisInit(cluster, username, password string, timeout time.Duration) error {
	return proxywasm.RedisInit(cluster, username, password, uint32(timeout.Milliseconds())) //nolint:gosec // within the key's limits
}

// RedisCall sends a command. done is called once, in the calling root context, with at most limit bytes of the reply;
// ok is false if there was none.
func RedisCall(cluster string, command []byte, limit int, done func(ok bool, reply []byte)) error {
	_, err := proxywasm.DispatchRedisCall(cluster, command, func(status, size int) {
		if status != 0 || size <= 0 {
			done(false, nil)
			return
		}
		reply, err := proxywasm.GetRedisCallResponse(0, min(size, limit))
		done(err == nil, reply)
	})
	return err
}
