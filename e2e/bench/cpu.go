package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// cpuTime is the CPU time that the threads of a process have used so far, as the
// kernel's scheduler counts it (nanoseconds, where utime and stime have only
// hundredths of a second). False where there is no /proc to read it from.
func cpuTime(pid int) (time.Duration, bool) { return threadsTime(pid, "") }

// workerTime is that of Envoy's one worker alone, without the threads on which V8 compiles.
func workerTime(pid int) (time.Duration, bool) { return threadsTime(pid, "wrk:worker_0") }

// threadsTime counts the threads of that name; empty: all.
func threadsTime(pid int, name string) (time.Duration, bool) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(threads) == 0 {
		return 0, false
	}
	var total time.Duration
	for _, path := range threads {
		if known, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "comm")); name != "" && string(bytes.TrimSpace(known)) != name {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has just ended
		}
		fields := bytes.Fields(text)
		if len(fields) == 0 {
			return 0, false
		}
		ns, err := strconv.ParseInt(string(fields[0]), 10, 64)
		if err != nil {
			return 0, false
		}
		total += time.Duration(ns)
	}
	return total, total > 0 // zero: a kernel without these statistics
}

// machineTime is the CPU time that all processes of the machine have used so far.
func machineTime() (time.Duration, bool) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, false
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	fields := bytes.Fields(line) // cpu user nice system idle iowait irq softirq …
	if len(fields) < 8 {
		return 0, false
	}
	var ticks int64
	for _, i := range []int{1, 2, 3, 6, 7} {
		count, err := strconv.ParseInt(string(fields[i]), 10, 64)
		if err != nil {
			return 0, false
		}
		ticks += count
	}
	return time.Duration(ticks) * (time.Second / userHertz), true
}

// userHertz is the unit of /proc/stat, the same on all systems that Go runs on.
const userHertz = 100

// residentBytes is the memory that a process occupies; false where there is no /proc.
func residentBytes(pid int) (int64, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, false
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0, false
	}
	return pages * int64(os.Getpagesize()), true
}
