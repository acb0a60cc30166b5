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

// cpuTime is what all threads of a process have used so far, in the nanoseconds of Linux' scheduler: /proc/PID/stat has
// hundredths of a second only. It is 0 on other systems.
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

// residentMB is the memory that a process occupies; 0 on other systems than Linux.
func residentMB(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	var all, resident int
	_, _ = fmt.Sscan(string(text), &all, &resident)
	return float64(resident*os.Getpagesize()) / 1e6
}

// separateCores gives the measured process the last core, as the first ones have the machine's interrupts, and this
// process and the backend the rest, until restore is called. Otherwise it is their queueing for a core that is
// measured. It is false where there are no two cores, or no taskset.
func separateCores(measured, backend int) (separate bool, restore func()) {
	last := runtime.NumCPU() - 1
	if last < 1 {
		return false, func() {}
	}
	threads := runtime.GOMAXPROCS(max(1, last-1)) // Go would otherwise look for work on all cores
	restore = func() {
		runtime.GOMAXPROCS(threads)
		_ = setCores(fmt.Sprintf("0-%d", last), os.Getpid(), backend)
	}
	err := errors.Join(setCores(strconv.Itoa(last), measured), setCores(fmt.Sprintf("0-%d", last-1), os.Getpid(), backend))
	return err == nil, restore
}

// setCores is for all threads of the processes; those that start later inherit the cores of the one that starts them.
func setCores(cores string, pids ...int) (err error) {
	for _, pid := range pids {
		err = errors.Join(err, exec.Command("taskset", "-acp", cores, strconv.Itoa(pid)).Run())
	}
	return err
}

// describeMachine is what the numbers depend on, as rows of a table.
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
