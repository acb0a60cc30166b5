// Package load_test holds the end-to-end tests that load the machine, so that none runs
// beside another: thousands of requests at once, and rates near what a worker can serve.
package load_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// limit bounds every wait of these tests for something that should happen.
const limit = 20 * time.Second

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
	config := map[string]any{
		"serviceName": harness.TokenName,
		"requestPath": "/" + path,
		"tokenHeader": "X-Token",
		"cache":       map[string]any{},
	}
	maps.Copy(config, more)
	return config
}

// byHost makes a configuration of one rule per host.
func byHost(configs map[string]map[string]any) map[string]any {
	var rules []any
	for _, host := range slices.Sorted(maps.Keys(configs)) {
		rule := maps.Clone(configs[host])
		rule["_match_domain_"] = []string{host}
		rules = append(rules, rule)
	}
	return map[string]any{"_rules_": rules}
}

// pathToken answers each path with a token of its own.
func pathToken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Token", tokenOf(strings.TrimPrefix(r.URL.Path, "/")))
}

func tokenOf(path string) string { return "token-" + path }

// waitActive returns once so many requests are in the gateway.
func waitActive(t *testing.T, gateway *harness.Gateway, want int) {
	t.Helper()
	const name = "http.gateway.downstream_rq_active"
	for deadline := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		value := gateway.Stat(t, name)
		if value == strconv.Itoa(want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is %s after %s, want %d", name, value, limit, want)
		}
	}
}

// checkLives checks that the plugin still works: nothing that came before is left in the
// gateway, and a request of another rule, whose token is cached, gets it.
func checkLives(t *testing.T, gateway *harness.Gateway) {
	t.Helper()
	waitActive(t, gateway, 0)
	if answer := gateway.Get(t, "/", "Host: warm"); answer.Status != http.StatusOK {
		t.Fatalf("the next request was answered %d %q, want 200", answer.Status, answer.Body)
	}
	if gateway.LogContains("call stack size exceeded") || gateway.LogContains("Plugin VM failed") {
		t.Errorf("Envoy logged that the VM has died")
	}
}
