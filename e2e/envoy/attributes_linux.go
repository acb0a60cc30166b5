package envoy

import "syscall"

// processAttributes put Envoy into a group of its own: Ctrl-C in a terminal then
// reaches only the caller, who stops Envoy in order. A caller that dies without
// doing so, such as a test that ran into its timeout, takes Envoy along.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
