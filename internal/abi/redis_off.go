//go:build !redis

package abi

import (
	"errors"
	"time"
)

// HasRedis says whether this file can share tokens with other gateways. Stock Envoy has no functions for Redis, and would
// not load a file that imports them.
const HasRedis = false

var errNoRedis = errors.New("is not in this file")

// RedisInit is of the other file.
func RedisInit(string, string, string, time.Duration) error { return errNoRedis }

// RedisCall is of the other file.
func RedisCall(string, []byte, int, func(bool, []byte)) error { return errNoRedis }
