package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// separateCores gives the process measured a core of its own, and this process and others the rest.
// Otherwise the scheduler moves them about, and it is their queueing for a core that is
// measured. It is false where there are no two cores to choose from. restore undoes it.
func separateCores(measured int, others ...int) (restore func(), separate bool) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil || all.Count() < 2 {
		return func() {}, false
	}
	others = append(others, os.Getpid())
	restore = func() {
		for _, pid := range append(others, measured) {
			_ = setCores(pid, all)
		}
	}
	own, rest := splitCores(all)
	err := setCores(measured, own)
	for _, pid := range others {
		if err == nil {
			err = setCores(pid, rest)
		}
	}
	if err != nil {
		restore()
		return func() {}, false
	}
	return restore, true
}

const maxCores = int(unsafe.Sizeof(unix.CPUSet{})) * 8

// splitCores takes the last core off: the first ones have the machine's interrupts.
func splitCores(all unix.CPUSet) (last, rest unix.CPUSet) {
	rest = all
	core := maxCores - 1
	for !all.IsSet(core) {
		core--
	}
	last.Set(core)
	rest.Clear(core)
	return last, rest
}

// setCores sets the cores of all threads of a process; threads that start later inherit
// those of the thread that starts them.
func setCores(pid int, cores unix.CPUSet) error {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil {
		return err
	}
	for _, path := range threads {
		thread, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			return err
		}
		err = unix.SchedSetaffinity(thread, &cores)
		if err != nil && !errors.Is(err, unix.ESRCH) { // a thread that has just ended
			return os.NewSyscallError("sched_setaffinity", err)
		}
	}
	return nil
}
