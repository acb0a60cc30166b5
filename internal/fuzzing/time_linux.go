package fuzzing

import (
	"syscall"
	"time"
)

// threadTime is the CPU time of the calling thread, so that other programs on a busy machine don't count.
func threadTime() time.Duration {
	const thread = 1 // RUSAGE_THREAD of getrusage(2)
	var usage syscall.Rusage
	if err := syscall.Getrusage(thread, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
