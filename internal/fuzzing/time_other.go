//go:build !linux

package fuzzing

import "time"

var begin = time.Now()

// threadTime is time of the wall clock where no other is known.
func threadTime() time.Duration { return time.Since(begin) }
