// Package operations_test is about what an operator sees and does: logs, metrics, and that no secret is in them; a gateway that
// is stopped, a plugin that panics, and a VM that dies.
package operations_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// TestLogOfFailures has a token service fail every other time, and counts the lines that the
// plugin writes about it: without a cache, and with one and a caller of its own for each request.
func TestLogOfFailures(t *testing.T) {
	t.Parallel()
	const (
		requests = 200
		interval = 10 * time.Second // between two lines about a service that fails
	)
	for name, more := range map[string]map[string]any{
		"uncached": {},
		"cached":   {"forwardHeaders": []string{"X-User"}, "cache": map[string]any{"backoff": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gateway := harness.Start(t, harness.Options{Config: harness.PlainConfig(more), WasmLog: "info"})
			good := harness.HeaderToken("X-Token", "t")
			bad := harness.Status(http.StatusInternalServerError)

			gateway.Token.Handle(bad)
			harness.CheckStatus(t, gateway.Get(t, "/"), http.StatusInternalServerError)
			harness.Eventually(t, time.Second, func() error {
				if lines := serviceLines(gateway); len(lines) == 0 || !strings.Contains(lines[0], "[error]") {
					return fmt.Errorf("after the first failure the log has %q, want it as an error", lines)
				}
				return nil
			})
			began, failures := time.Now(), 1
			for i := range requests {
				gateway.Token.Handle([]http.HandlerFunc{good, bad}[i%2])
				checkCallFor(t, gateway, []int{http.StatusOK, http.StatusInternalServerError}[i%2])
				failures += i % 2
			}
			// One at once, one an interval, and one that it is over.
			allowed := 3 + int(time.Since(began)/interval)
			if lines := serviceLines(gateway); len(lines) > allowed {
				t.Errorf("%d lines about %d failures in %s, want at most %d, such as:\n%s",
					len(lines), failures, time.Since(began), allowed, strings.Join(lines[:min(6, len(lines))], "\n"))
			}

			// What was not said yet comes out though nothing more happens.
			harness.Eventually(t, interval+5*time.Second, func() error {
				if told := toldFailures(gateway); told != failures {
					return fmt.Errorf("the lines tell of %d failures, want %d:\n%s", told, failures, strings.Join(serviceLines(gateway), "\n"))
				}
				return nil
			})

			// The end is told once it lasts.
			gateway.Token.Handle(good)
			checkCallFor(t, gateway, http.StatusOK)
			harness.Eventually(t, interval+5*time.Second, func() error {
				if lines := strings.Join(serviceLines(gateway), "\n"); !strings.Contains(lines, " recovered after ") {
					return fmt.Errorf("no line tells that it is over:\n%s", lines)
				}
				return nil
			})
			t.Logf("%d failures in %d lines", failures, len(serviceLines(gateway)))
		})
	}
}

// checkCallFor sends requests until one has made a call, whose answer decides about the status:
// with a cache, those before it are answered by the backoff of a millisecond.
func checkCallFor(t *testing.T, gateway *harness.Gateway, want int) {
	t.Helper()
	calls := len(gateway.Token.Calls())
	harness.Eventually(t, harness.Limit, func() error {
		answer := gateway.Get(t, "/", fmt.Sprintf("X-User: %d", time.Now().UnixNano()))
		if len(gateway.Token.Calls()) == calls {
			return fmt.Errorf("a request was answered %d without a call", answer.Status)
		}
		harness.CheckStatus(t, answer, want)
		return nil
	})
}

// serviceLines are the lines of the plugin about the token service.
func serviceLines(gateway *harness.Gateway) []string {
	var lines []string
	for line := range strings.Lines(gateway.Log()) {
		if strings.Contains(line, "token service ") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

var moreFailures = regexp.MustCompile(`and (\d+) failures? more since the last line`)

// toldFailures is how many failures the lines tell of: each its own, and those that it sums up.
func toldFailures(gateway *harness.Gateway) int {
	told := 0
	for _, line := range serviceLines(gateway) {
		if !strings.Contains(line, "answered 500") {
			continue
		}
		told++
		if match := moreFailures.FindStringSubmatch(line); match != nil {
			more, _ := strconv.Atoi(match[1])
			told += more
		}
	}
	return told
}
