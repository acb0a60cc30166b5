package main

import (
	"testing"
	"time"
)

func TestParseFlags(t *testing.T) {
	for _, test := range []struct {
		args    []string
		out     string
		command string
	}{
		{nil, "../docs", "make bench"},
		{[]string{"-rounds", "9"}, "../docs", "make bench BENCH_FLAGS='-rounds 9'"},
		{[]string{"-quick", "-root", ".."}, "../build", "make bench BENCH_FLAGS='-quick'"},
		{[]string{"-only=router", "-out=/tmp/x"}, "/tmp/x", "make bench BENCH_FLAGS='-only=router'"},
	} {
		options, _, err := parseFlags(test.args)
		if err != nil {
			t.Errorf("%q: %v", test.args, err)
		}
		if options.Out != test.out || options.Command != test.command {
			t.Errorf("%q: out %q, command %q", test.args, options.Out, options.Command)
		}
	}
}

func TestQuickIsShort(t *testing.T) {
	options, run, err := parseFlags([]string{"-quick", "-profile"})
	if err != nil || run != runProfile {
		t.Fatalf("got run %q, error %v", run, err)
	}
	if options.Rounds != 1 || options.Duration > time.Second {
		t.Errorf("%d rounds of %s", options.Rounds, options.Duration)
	}
}

func TestRounds(t *testing.T) {
	for _, test := range []struct {
		args   []string
		run    string
		rounds int
	}{
		{nil, runAll, 9},
		{[]string{"-callbacks"}, runCallbacks, 40},
		{[]string{"-signatures"}, runSignatures, 9},
		{[]string{"-callbacks", "-rounds", "5"}, runCallbacks, 5},
	} {
		options, run, err := parseFlags(test.args)
		if err != nil || run != test.run || options.Rounds != test.rounds {
			t.Errorf("%q: got %q with %d rounds and error %v, expected %q with %d", test.args, run, options.Rounds, err, test.run, test.rounds)
		}
	}
}

func TestBadFlags(t *testing.T) {
	for _, args := range [][]string{{"-rounds", "0"}, {"-only", "("}, {"what"}, {"-connections", "-1"}} {
		if _, _, err := parseFlags(args); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}
