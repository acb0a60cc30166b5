//go:build !linux

package envoy

import "syscall"

// processAttributes put Envoy into a group of its own: Ctrl-C in a terminal then
// reaches only the caller, who stops Envoy in order.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
