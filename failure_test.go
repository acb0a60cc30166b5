package main

import (
	"testing"
	"time"
)

// The contract's table, and what the plugin adds to it.
func TestFailurePolicy(t *testing.T) {
	outcomes := []outcome{noToken, callFailed, noCluster, tooMany, internalError}
	tests := map[string]struct {
		config string
		denies []bool
	}{
		"as the sample":    {sampleJSON, []bool{false, true, false, true, true}},
		"deny":             {extended(`"failure": {"mode": "deny"}`), []bool{true, true, true, true, true}},
		"allow":            {extended(`"failure": {"mode": "allow"}`), []bool{false, false, false, false, true}},
		"cached":           {cached(""), []bool{true, true, true, true, true}},
		"cached, allow":    {extended(`"cache": {}, "failure": {"mode": "allow"}`), []bool{false, false, false, false, true}},
		"failure, no mode": {extended(`"failure": {"status": 503}`), []bool{true, true, true, true, true}},
	}
	for name, test := range tests {
		policy := mustParse(t, test.config).global.failure
		for i, o := range outcomes {
			if got := policy.denies(o); got != test.denies[i] {
				t.Errorf("%s, %s: got %v, expected %v", name, o, got, test.denies[i])
			}
		}
	}
}

func TestFailureLog(t *testing.T) {
	h := newFakeHost()
	l := failureLog{service: "token.dns:80"}
	f := failure{callFailed, "answered 503"}
	for range 1001 {
		l.failed(h, f, "requests that have no token are answered 500")
		h.pass(10 * time.Millisecond)
	}
	l.succeeded(h)
	l.succeeded(h)
	want := []string{
		"token service token.dns:80 answered 503; requests that have no token are answered 500",
		"token service token.dns:80 answered 503, and 999 failures more since the last line; requests that have no token are answered 500",
		"token service token.dns:80 gives tokens again, after 1001 failures in 10.01s",
	}
	if len(h.lines) != len(want) {
		t.Fatalf("got %d lines, expected %d: %q", len(h.lines), len(want), h.lines)
	}
	for i := range want {
		if h.lines[i] != want[i] {
			t.Errorf("line %d:\ngot      %s\nexpected %s", i, h.lines[i], want[i])
		}
	}
}

func TestBackoffStaysInBounds(t *testing.T) {
	b := backoff{first: time.Second}
	for failures := range 100 {
		before := time.Duration(failures) * time.Hour
		b.failed(before, 0)
		wait, least := b.until-before, min(time.Second<<min(failures, 10), maxBackoff)
		if wait < least || wait > min(least+least/5, maxBackoff) {
			t.Errorf("after %d failures: got %s, expected %s and up to a fifth more", failures+1, wait, least)
		}
	}
}
