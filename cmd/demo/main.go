// Command demo is `make run`: it runs the gateway of envoy.yaml and an httpbin without containers, until Ctrl-C or SIGTERM.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	o := options{output: os.Stdout}
	flag.StringVar(&o.root, "root", "..", "folder of envoy.yaml and main.wasm")
	flag.StringVar(&o.plugin, "plugin", "", "`file` of another plugin instead of main.wasm; it needs -config")
	flag.StringVar(&o.config, "config", "", "its configuration, as `JSON`")
	flag.IntVar(&o.gatewayPort, "port", 10000, "port of the gateway")
	flag.IntVar(&o.adminPort, "admin-port", 9901, "port of Envoy's admin interface")
	flag.IntVar(&o.httpbinPort, "httpbin-port", 12345, "port of httpbin")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// A second signal kills the program, as usual.
	context.AfterFunc(ctx, stop)
	err := runUntilStopped(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}
