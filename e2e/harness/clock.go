package harness

import (
	_ "embed"
	order "encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

//go:embed clock/clock.c
var clockSource []byte

// wallClock is the wall clock of an Envoy. The zero value is the machine's own, which can't be set.
type wallClock struct {
	library string // preloaded into Envoy
	file    string // has the seconds by which the clock is ahead
}

// newWallClock builds the library, which takes a C compiler.
func newWallClock(t testing.TB, dir string) wallClock {
	t.Helper()
	clock := wallClock{library: filepath.Join(dir, "clock.so"), file: filepath.Join(dir, "clock")}
	compiler, err := exec.LookPath("cc")
	switch {
	case err != nil && os.Getenv("CI") != "":
		t.Fatal("no C compiler for the clock that this test sets: install gcc")
	case err != nil:
		t.Skip("no C compiler for the clock that this test sets: install gcc")
	}
	source := filepath.Join(dir, "clock.c")
	if err := os.WriteFile(source, clockSource, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command(compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", clock.library, source)
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if err := os.WriteFile(clock.file, make([]byte, 8), 0o600); err != nil {
		t.Fatal(err)
	}
	return clock
}

func (c wallClock) environment() []string {
	if c.library == "" {
		return nil
	}
	return []string{"LD_PRELOAD=" + c.library, "WALL_CLOCK_OFFSET=" + c.file}
}

// SetClock sets the wall clock of a gateway with Options.SetClock so many seconds ahead of the
// machine's, or behind. It does so at once, and leaves the steady clock alone.
func (g *Gateway) SetClock(t testing.TB, ahead time.Duration) {
	t.Helper()
	if err := g.clock.set(ahead); err != nil {
		t.Fatal(err)
	}
}

// set writes in place, as Envoy has the file mapped.
func (c wallClock) set(ahead time.Duration) (err error) {
	file, err := os.OpenFile(c.file, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("a gateway whose clock can't be set: %w", err)
	}
	defer func() {
		if closed := file.Close(); err == nil {
			err = closed
		}
	}()
	_, err = file.WriteAt(order.NativeEndian.AppendUint64(nil, uint64(int64(ahead/time.Second))), 0)
	return err
}
