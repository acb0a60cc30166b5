package bench

import (
	"encoding/binary"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// newPacer ticks at a fixed interval. Go's own timers wake an idle program up to
// a millisecond late, and then send in bursts; the kernel's timer does not.
func newPacer(interval time.Duration) (pacer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	each := unix.NsecToTimespec(max(1, interval.Nanoseconds()))
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: each, Value: each}, nil); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("timerfd_settime", err)
	}
	return &kernelPacer{file: os.NewFile(uintptr(fd), "timer")}, nil
}

type kernelPacer struct{ file *os.File }

// wait returns how many intervals have passed since it last did.
func (p *kernelPacer) wait() (int, error) {
	var count [8]byte
	if _, err := p.file.Read(count[:]); err != nil {
		return 0, err
	}
	return int(binary.NativeEndian.Uint64(count[:])), nil
}

func (p *kernelPacer) close() { p.file.Close() }
