package hostile_test

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"token-fetch/e2e/harness"
)

// requestIDs are what a client sends as X-Request-Id: plugins that are made with wasm-go keep it as a property, which
// wasm-go's log puts before each line, as a part of the line's format.
var requestIDs = map[string]string{
	"a format":            "%[1]s%[2]s%s%d%v%!",
	"widths":              strings.Repeat("%1000000[1]d", 4000),
	"widths of arguments": strings.Repeat("%[1]*[2]d", 100),
	"a terminal's escape": "\u009b31mred\u009b0m",
	"bytes":               "\x9b31m\xff\xfe",
	"a long one":          strings.Repeat("a", 8<<10),
	"a forged line":       "x] [token-fetch] token service forged",
}

// Whatever a client sends, each line of the log is the plugin's own, and short.
func TestRequestIDsInLog(t *testing.T) {
	t.Parallel()
	configs := map[string]harness.Config{}
	for name := range requestIDs {
		// Each writes its first failure at once.
		config := harness.Config{"serviceName": harness.HostName(name) + ".dns", "failure": harness.Config{"mode": "deny"}}
		configs[harness.HostName(name)] = harness.PlainConfig(config)
		configs[harness.HostName(name)+"-cached"] = harness.PlainConfig(harness.Merge(config, harness.Config{"cache": harness.Config{}}))
	}
	gateway := harness.Start(t, harness.Options{FirstFilters: []any{neighbourFilter(t)}, VMID: sharedSpace, Config: harness.ByHost(configs)})
	for name, id := range requestIDs {
		for _, host := range []string{harness.HostName(name), harness.HostName(name) + "-cached"} {
			request := gateway.Request(t, http.MethodGet, "/", "", "Host: "+host)
			request.Header.Set("X-Request-Id", id)
			if answer := gateway.Do(t, request); answer.Status != http.StatusInternalServerError || answer.Body != "http call failed" {
				t.Errorf("%s: answered %d %q, want the plugin's own answer", host, answer.Status, answer.Body)
			}
		}
		gateway.WaitLog(t, "token service "+harness.HostName(name)+".dns:80 (rule ")
	}
	request := gateway.Request(t, http.MethodGet, "/", "", "Host: a-format")
	request.Header.Set("X-Request-Id", "a-good_one.1")
	gateway.Do(t, request)
	log := gateway.Log()
	for name, id := range requestIDs {
		if strings.Contains(log, id) || strings.Contains(log, id[:min(len(id), 100)]) {
			t.Errorf("%s: the log has what the client has sent", name)
		}
	}
	for line := range strings.Lines(log) {
		isControl := func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }
		switch {
		case len(line) > 1000:
			t.Errorf("a line of %d bytes, which begins with %.200q", len(line), line)
		case !utf8.ValidString(line), strings.ContainsFunc(strings.TrimSuffix(line, "\n"), isControl):
			t.Errorf("a line that a terminal would heed: %q", line)
		case strings.Contains(line, "%!"):
			t.Errorf("a line with a bad format: %q", line)
		}
	}
}
