package bench

import (
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSplitCores(t *testing.T) {
	var all unix.CPUSet
	for _, core := range []int{1, 2, 70} {
		all.Set(core)
	}
	last, rest := splitCores(all)
	if !last.IsSet(70) || last.Count() != 1 {
		t.Errorf("the last core: got %v, expected 70", last)
	}
	if !rest.IsSet(1) || !rest.IsSet(2) || rest.Count() != 2 {
		t.Errorf("the rest: got %v, expected 1 and 2", rest)
	}
}

func TestSeparateCores(t *testing.T) {
	var before, measured, after unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	process := exec.Command("sleep", "60")
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = process.Process.Kill(); _ = process.Wait() }()
	restore, separate := separateCores(process.Process.Pid)
	if separate != (before.Count() > 1) {
		t.Errorf("separate is %v with %d cores", separate, before.Count())
	}
	if err := unix.SchedGetaffinity(process.Process.Pid, &measured); err != nil {
		t.Fatal(err)
	}
	if separate && measured.Count() != 1 {
		t.Errorf("the measured process has %d cores, expected 1", measured.Count())
	}
	restore()
	if err := unix.SchedGetaffinity(process.Process.Pid, &after); err != nil {
		t.Fatal(err)
	}
	if after != before {
		t.Errorf("cores after restore: got %v, expected %v", after, before)
	}
}
