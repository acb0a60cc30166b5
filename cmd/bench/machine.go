package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"token-fetch/e2e/envoy"
)

// cpuTime returns the CPU time of all threads of a process, from Linux' scheduler in nanoseconds: /proc/PID/stat only has
// hundredths of a second. It is 0 on other systems.
func cpuTime(pid int) (total time.Duration) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid)) // the pattern is a good one
	for _, path := range threads {
		text, _ := os.ReadFile(path) // empty: the thread has just ended
		var thread int64
		_, _ = fmt.Sscan(string(text), &thread)
		total += time.Duration(thread)
	}
	return total
}

// residentMB returns the resident memory of a process; 0 on systems other than Linux.
func residentMB(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	var all, resident int
	_, _ = fmt.Sscan(string(text), &all, &resident)
	return float64(resident*os.Getpagesize()) / 1e6
}

// separateCores pins the measured process to the last core, as the first ones handle interrupts, and this process and the
// backend to the others, until restore is called. Otherwise queueing for a core would be measured. It returns false if
// there is only one core, or no taskset.
func separateCores(measured, backend int) (separate bool, restore func()) {
	last := runtime.NumCPU() - 1
	if last < 1 {
		return false, func() {}
	}
	threads := runtime.GOMAXPROCS(max(1, last-1)) // or Go would look for work on all cores
	restore = func() {
		runtime.GOMAXPROCS(threads)
		_ = setCores(fmt.Sprintf("0-%d", last), os.Getpid(), backend)
	}
	err := errors.Join(setCores(strconv.Itoa(last), measured), setCores(fmt.Sprintf("0-%d", last-1), os.Getpid(), backend))
	return err == nil, restore
}

// setCores pins all threads of the processes. Later threads inherit the cores of the thread that starts them.
func setCores(cores string, pids ...int) (err error) {
	for _, pid := range pids {
		err = errors.Join(err, exec.Command("taskset", "-acp", cores, strconv.Itoa(pid)).Run())
	}
	return err
}

// describeMachine returns rows about everything that the results depend on.
func describeMachine(process *envoy.Process) ([][]string, error) {
	text, err := process.Get("/server_info")
	if err != nil {
		return nil, err
	}
	var info struct{ Version string } // revision/version/state/build/TLS library
	if err := json.Unmarshal([]byte(text), &info); err != nil {
		return nil, err
	}
	model := "unknown CPU"
	cpuinfo, _ := os.ReadFile("/proc/cpuinfo") // not on all systems
	for line := range strings.Lines(string(cpuinfo)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
		}
	}
	return [][]string{
		{"machine", fmt.Sprintf("%s, %d cores, %s/%s", model, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)},
		{"Envoy", strings.Split(info.Version+"/?", "/")[1] + ", one worker"},
		{"Go", strings.TrimPrefix(runtime.Version(), "go")},
	}, nil
}
