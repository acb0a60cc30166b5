// Package load holds the end-to-end tests that load the machine, so that they never run in
// parallel: thousands of requests at once, and rates near a worker's maximum.
package load

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"token-fetch/e2e/harness"
)

func TestMain(m *testing.M) {
	if err := raiseFileLimit(); err != nil {
		fmt.Fprintln(os.Stderr, "raising the limit of open files:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// raiseFileLimit does what Go's runtime does at start, but for Envoy too: a limit that the
// program has set itself is inherited.
func raiseFileLimit() error {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return err
	}
	files.Cur = files.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files)
}

// cached is a configuration with a cache and all else as it is by default.
func cached(path string, more map[string]any) map[string]any {
	return harness.Merge(harness.Merge(harness.SampleConfig(), map[string]any{"requestPath": "/" + path, "cache": map[string]any{}}), more)
}

// pathToken answers each path with its own token.
func pathToken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Token", tokenOf(strings.TrimPrefix(r.URL.Path, "/")))
}

func tokenOf(path string) string { return "token-" + path }

// checkLives checks that the plugin still works: no earlier request is left in the
// gateway, and a request of another rule gets its cached token.
func checkLives(t *testing.T, gateway *harness.Gateway) {
	t.Helper()
	gateway.WaitActive(t, 0)
	if answer := gateway.Get(t, "/", "Host: warm"); answer.Status != http.StatusOK {
		t.Fatalf("the next request was answered %d %q, want 200", answer.Status, answer.Body)
	}
	if gateway.LogContains("call stack size exceeded") || gateway.LogContains("Plugin VM failed") {
		t.Errorf("Envoy logged that the VM has died")
	}
}
