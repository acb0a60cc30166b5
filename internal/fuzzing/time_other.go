//go:build !linux

package fuzzing

import "time"

var begin = time.Now()

// threadTime is wall-clock time, for lack of anything better.
func threadTime() time.Duration { return time.Since(begin) }
