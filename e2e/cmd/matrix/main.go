// Command matrix runs the end-to-end tests on each version of Envoy that the plugin is for, and prints what came of
// them as a table.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"token-fetch/e2e/envoy"
	"token-fetch/e2e/matrix"
)

func main() {
	options, err := parseFlags(os.Args[1:])
	if err != nil {
		os.Exit(2) // the flag package has printed what is wrong
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// The second signal ends the program at once, as usual.
	context.AfterFunc(ctx, stop)
	err = run(ctx, options)
	if ctx.Err() != nil {
		err = errors.New("stopped")
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "matrix:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, options matrix.Options) error {
	results, err := matrix.Run(ctx, options)
	if err != nil {
		return err
	}
	fmt.Println()
	fmt.Println(results.Table())
	fmt.Print(results.Notes())
	if options.Write {
		if err := results.Write(options.Root); err != nil {
			return err
		}
	}
	return results.Err()
}

func parseFlags(args []string) (matrix.Options, error) {
	options := matrix.Options{Versions: envoy.Versions, Progress: os.Stderr}
	flags := flag.NewFlagSet("matrix", flag.ContinueOnError)
	flags.StringVar(&options.Root, "root", "..", "folder of main.wasm")
	flags.StringVar(&options.Tests, "run", "", "`regexp` of the tests to run; all if empty")
	flags.IntVar(&options.Calls, "calls", matrix.PromisedCalls, "requests with a token call each")
	flags.BoolVar(&options.Write, "write", false, "write the table into docs/operations.md; only of all tests on all versions")
	flags.Func("versions", "comma-separated `versions` of Envoy (default "+strings.Join(envoy.Versions, ",")+")", func(text string) error {
		options.Versions = strings.Split(text, ",")
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return options, err
	}
	if flags.NArg() > 0 || options.Write && !options.IsComplete() {
		fmt.Fprintln(os.Stderr, "matrix: -write needs all tests, calls and versions, and there are no other arguments")
		return options, flag.ErrHelp
	}
	return options, nil
}
