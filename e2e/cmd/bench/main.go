// Command bench measures the plugin beside other ways to put a token into a
// request, in a real Envoy on this machine, and writes the report with a chart.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"token-fetch/e2e/bench"
)

func main() {
	options, run, err := parseFlags(os.Args[1:])
	if err != nil {
		os.Exit(2) // the flag package has printed what is wrong
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// The second signal ends the program at once, as usual.
	context.AfterFunc(ctx, stop)
	err = runs[run](ctx, options)
	if ctx.Err() != nil {
		err = errors.New("stopped")
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "\nbench:", err)
		os.Exit(1)
	}
}

// What is measured.
const (
	runAll        = "all"
	runProfile    = "profile"
	runCallbacks  = "callbacks"
	runSignatures = "signatures"
)

var runs = map[string]func(context.Context, bench.Options) error{
	runAll:        benchmark,
	runProfile:    func(ctx context.Context, o bench.Options) error { return write(bench.RunProfile(ctx, o)) },
	runCallbacks:  func(ctx context.Context, o bench.Options) error { return write(bench.RunCallbacks(ctx, o)) },
	runSignatures: func(ctx context.Context, o bench.Options) error { return write(bench.RunSignatures(ctx, o)) },
}

func parseFlags(args []string) (options bench.Options, run string, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&options.Root, "root", "..", "folder of main.wasm")
	flags.StringVar(&options.Out, "out", "", "`folder` for the report (default docs; build with -quick or -only)")
	flags.IntVar(&options.Rounds, "rounds", 0, "rounds over all candidates, of which the median counts (default 9; 40 with -callbacks)")
	flags.DurationVar(&options.Duration, "duration", time.Second, "time for one candidate in one round")
	flags.IntVar(&options.Connections, "connections", 16, "connections that send requests")
	flags.BoolVar(&options.Quick, "quick", false, "a smoke test: one short round, numbers without meaning")
	run = runAll
	for name, usage := range map[string]string{
		runProfile:    "measure where the time of the cached path goes instead",
		runCallbacks:  "measure whether it pays to replace the SDK's callbacks instead",
		runSignatures: "measure what it costs to sign a token call instead",
	} {
		flags.BoolFunc(name, usage, func(string) error { run = name; return nil })
	}
	flags.Func("only", "`regexp` of the candidates to measure", func(text string) (err error) {
		options.Only, err = regexp.Compile(text)
		return err
	})
	if err := flags.Parse(args); err != nil {
		return options, "", err
	}
	isSet := false
	flags.Visit(func(f *flag.Flag) { isSet = isSet || f.Name == "rounds" })
	if !isSet {
		options.Rounds = 9
		if run == runCallbacks {
			options.Rounds = 40
		}
	}
	if options.Rounds < 1 || options.Duration <= 0 || options.Connections < 1 || flags.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "bench: -rounds, -duration and -connections must be positive, and there are no other arguments")
		return options, "", flag.ErrHelp
	}
	if options.Quick {
		options.Rounds, options.Duration = 1, 200*time.Millisecond
	}
	if options.Out == "" {
		options.Out = filepath.Join(options.Root, "docs")
		if options.Quick || options.Only != nil { // not a whole report
			options.Out = filepath.Join(options.Root, "build")
		}
	}
	options.Command = strings.TrimSpace("make bench " + benchFlags(args))
	options.Progress, options.Terminal = os.Stderr, isTerminal(os.Stderr)
	return options, run, nil
}

// benchFlags is how the Makefile is given flags other than the folders.
func benchFlags(args []string) string {
	var kept []string
	for i := 0; i < len(args); i++ {
		name := strings.TrimLeft(args[i], "-")
		switch {
		case name == "root" || name == "out":
			i++ // its value
		case strings.HasPrefix(name, "root=") || strings.HasPrefix(name, "out="):
		default:
			kept = append(kept, args[i])
		}
	}
	if len(kept) == 0 {
		return ""
	}
	return "BENCH_FLAGS='" + strings.Join(kept, " ") + "'"
}

func benchmark(ctx context.Context, options bench.Options) error {
	report, err := bench.Run(ctx, options)
	if err != nil {
		return err
	}
	if err := report.Write(); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr)
	fmt.Print(report.Markdown())
	fmt.Println()
	report.Summary(os.Stdout)
	return nil
}

func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// measured is a part of docs/profile.md.
type measured interface {
	Markdown() string
	Write() error
}

func write(m measured, err error) error {
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr)
	fmt.Print(m.Markdown())
	return m.Write()
}
