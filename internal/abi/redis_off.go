//go:build !redis

package abi

import (
	"errors"
	"time"
)

// HasRedis reports whether this file can share tokens through Redis. Stock Envoy has no Redis functions, and would not
// load a file that imports them.
const HasRedis = false

var errNoRedis = errors.New("is not in this file")

// RedisInit is not available in this file.
func RedisInit(string, string, string, time.Duration) error { return errNoRedis }

// RedisCall is not available in this file.
func RedisCall(string, []byte, int, func(bool, []byte)) error { return errNoRedis }
