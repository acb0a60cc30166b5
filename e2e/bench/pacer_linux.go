package bench

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pacer waits for points in time. Go's own timers wake an idle program up to a
// millisecond late, and then send in bursts; the kernel's timer does not.
type pacer struct {
	fd   int
	file *os.File
}

func newPacer() (*pacer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	return &pacer{fd: fd, file: os.NewFile(uintptr(fd), "timer")}, nil
}

func (p *pacer) waitUntil(at time.Time) error {
	ahead := time.Until(at)
	if ahead <= 0 {
		return nil
	}
	if err := unix.TimerfdSettime(p.fd, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(ahead.Nanoseconds())}, nil); err != nil {
		return os.NewSyscallError("timerfd_settime", err)
	}
	var expirations [8]byte
	_, err := p.file.Read(expirations[:])
	return err
}

func (p *pacer) close() { p.file.Close() }
