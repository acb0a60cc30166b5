// Command demo runs the plugin in a real Envoy on this machine, with an httpbin
// behind it, until Ctrl-C or SIGTERM.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"token-fetch/e2e/demo"
)

func main() {
	options := demo.Options{Output: os.Stdout}
	flag.StringVar(&options.Root, "root", "..", "folder of envoy.yaml and main.wasm")
	flag.IntVar(&options.GatewayPort, "port", 10000, "port of the gateway")
	flag.IntVar(&options.AdminPort, "admin-port", 9901, "port of Envoy's admin interface")
	flag.IntVar(&options.HTTPBinPort, "httpbin-port", 12345, "port of httpbin")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// The second signal ends the program at once, as usual.
	context.AfterFunc(ctx, stop)
	err := demo.Run(ctx, options)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}
