// Command bench is `make bench`: it measures the plugin and other ways to put a token into a request, in a real Envoy on
// this machine, prints tables, and writes them to docs/ with a chart. With -against it alternates between this build of the
// plugin and another one, and prints the ratios.
//
//	candidates.go   the rows: what is compared
//	measure.go      what is measured of each, and in which order
//	load.go         clients: a closed loop for throughput and CPU, an open loop for latency
//	envoy.go        the Envoy that is measured, and the one that plays token service and upstream
//	results.go      series of measurements, their statistics, and targets
//	report.go       tables and the chart
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

type options struct {
	root        string         // folder of main.wasm
	out         string         // folder for what is written
	against     string         // another build of the plugin; empty: none
	only        *regexp.Regexp // candidates to measure; nil: all
	rounds      int            // the median of all rounds is reported
	startRounds int
	duration    time.Duration // of one candidate in one round
	progress    io.Writer
}

func main() {
	o, err := parseFlags(os.Args[1:])
	if err != nil {
		os.Exit(2) // the flag package has printed what is wrong
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // the second signal ends the program at once, as usual
	b := &bench{options: o}
	if err = b.run(ctx); err == nil {
		err = b.report(os.Stdout)
	}
	if ctx.Err() != nil {
		err = errors.New("stopped")
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parseFlags(args []string) (options, error) {
	o := options{startRounds: 3, progress: os.Stderr}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.root, "root", "..", "`folder` of main.wasm")
	flags.StringVar(&o.out, "out", "", "`folder` of the pages to write to (default docs, or nowhere when not all is measured)")
	flags.StringVar(&o.against, "against", "", "another build's main.wasm, measured in turns with this one: prints the ratios, writes nothing")
	flags.IntVar(&o.rounds, "rounds", 9, "rounds over all candidates, of which the median counts")
	flags.DurationVar(&o.duration, "duration", time.Second, "time for one candidate in one round")
	quick := flags.Bool("quick", false, "a smoke test: short rounds, numbers without meaning")
	flags.Func("only", "`regexp` of the candidates to measure, and nothing else; those of starts begin with start", func(text string) (err error) {
		o.only, err = regexp.Compile(text)
		return err
	})
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.rounds < 1 || o.duration <= 0 || flags.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "bench: -rounds and -duration must be positive, and there are no other arguments")
		return o, flag.ErrHelp
	}
	if *quick {
		o.rounds, o.startRounds, o.duration = 1, 1, 200*time.Millisecond
	}
	if o.out == "" && !*quick && o.only == nil {
		o.out = filepath.Join(o.root, "docs")
	}
	return o, nil
}
