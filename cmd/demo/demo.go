package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"token-fetch/e2e/envoy"
)

// errorLines is how much of Envoy's log is shown if it exits.
const errorLines = 20

// options say where the files are and where to listen. All ports are on 127.0.0.1.
type options struct {
	root        string // folder of envoy.yaml and main.wasm
	plugin      string // path of another plugin instead of main.wasm; empty: none
	config      string // its configuration
	gatewayPort int
	adminPort   int
	httpbinPort int
	output      io.Writer
}

// runUntilStopped runs the demo until the context ends, which is not an error.
func runUntilStopped(ctx context.Context, o options) error {
	err := run(ctx, o)
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		fmt.Fprintln(o.output, "stopped")
		return nil
	}
	return err
}

func run(ctx context.Context, o options) error {
	if _, err := os.Stat(o.wasm()); err != nil {
		return fmt.Errorf("%s missing: run make first", filepath.Base(o.wasm()))
	}
	if err := o.checkPorts(); err != nil {
		return err
	}
	binary, err := envoy.FindContext(ctx, o.root, func(message string) {
		fmt.Fprintln(o.output, message)
	})
	if err != nil {
		return err
	}
	httpbin, err := startHTTPBin(o.httpbinPort)
	if err != nil {
		return err
	}
	defer httpbin.Close()
	return o.runGateway(ctx, binary)
}

// runGateway returns when the context ends or Envoy exits.
func (o options) runGateway(ctx context.Context, binary string) error {
	dir, err := os.MkdirTemp("", "token-fetch-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bootstrap := filepath.Join(dir, "envoy.yaml")
	if err := o.writeBootstrap(bootstrap); err != nil {
		return err
	}
	fmt.Fprintf(o.output, "V8 compiles %s, a few seconds …\n", filepath.Base(o.wasm()))
	process, err := envoy.StartContext(ctx, envoy.Options{
		Binary: binary,
		Config: bootstrap,
		Output: o.output,
		// The main component warns of an open door to the internet, and of being stopped.
		WasmLog:   "debug,main:error",
		ExtraArgs: []string{"--log-format", "%T.%e %l: %v"},
	})
	if err != nil {
		return err
	}
	through := "the X-Token in the list is what the plugin fetched"
	if o.plugin != "" {
		through = "what the plugin does is in the answer, or among the headers in the list"
	}
	fmt.Fprintf(o.output, welcome, o.httpbinPort, o.gatewayPort, through, o.adminPort)
	select {
	case <-ctx.Done():
		_ = process.Stop() // no matter whether it has just exited
		return nil
	case <-process.Exited():
		return fmt.Errorf("envoy ended by itself (%v):\n%s", process.Stop(), process.LogTail(errorLines))
	}
}

const welcome = `
Ready. In another terminal:

  curl http://127.0.0.1:%d/headers
      asks httpbin directly: it lists the headers that curl sent

  curl http://127.0.0.1:%d/headers
      asks through the gateway: %s

Envoy's admin interface is at http://127.0.0.1:%d. Ctrl-C stops all of it.
The plugin's log:
`

// wasm is the path of the plugin.
func (o options) wasm() string {
	if o.plugin != "" {
		return o.plugin
	}
	return filepath.Join(o.root, "main.wasm")
}

// checkPorts reports ports in use early and in one line. Envoy would report them late, or share a port with another Envoy.
func (o options) checkPorts() error {
	for _, port := range []int{o.gatewayPort, o.adminPort, o.httpbinPort} {
		listener, err := listen(port)
		if err != nil {
			return err
		}
		listener.Close()
	}
	return nil
}

func listen(port int) (net.Listener, error) {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d is in use: stop the program that listens on it (an earlier make run or docker compose up?) and try again", port)
	}
	return listener, err
}
