package hostile_test

import (
	"fmt"
	"net/http"
	"slices"
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
	checkLog(t, gateway, "%!")
}

// answersWith have a text in each place that the log could tell something of.
var answersWith = map[string]func(text string) http.HandlerFunc{
	"reason phrase": func(text string) http.HandlerFunc {
		return harness.Raw("HTTP/1.1 500 " + text + "\r\nContent-Length: 0\r\n\r\n")
	},
	"error": func(text string) http.HandlerFunc { return harness.JSON(400, map[string]any{"error": text}) },
	"error_description": func(text string) http.HandlerFunc {
		return harness.JSON(400, map[string]any{"error": "invalid_client", "error_description": text, "error_uri": text})
	},
	"token_type": func(text string) http.HandlerFunc {
		return harness.JSON(200, map[string]any{"access_token": "t", "token_type": text})
	},
	"token": func(text string) http.HandlerFunc {
		return harness.JSON(200, map[string]any{"access_token": text + "\n"})
	},
	"lifetime": func(text string) http.HandlerFunc {
		return harness.JSON(200, map[string]any{"access_token": "t", "expires_in": text, "end": text})
	},
	"a key of the lifetime": func(text string) http.HandlerFunc {
		return harness.JSON(200, map[string]any{"access_token": "t", "expires_in": map[string]any{text: 1}})
	},
	"Content-Encoding": withHeaders(200, "Content-Encoding"),
	"Cache-Control":    withHeaders(200, "Cache-Control", "Expires"),
	"Retry-After":      withHeaders(503, "Retry-After"),
	"Location":         withHeaders(302, "Location"),
	"no HTTP":          func(text string) http.HandlerFunc { return harness.Raw(text + "\r\n\r\n") },
}

// withHeaders sends them as they are, which net/http would not.
func withHeaders(status int, names ...string) func(text string) http.HandlerFunc {
	return func(text string) http.HandlerFunc {
		const body = `{"access_token": "t"}`
		head := fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n", status, len(body))
		for _, name := range names {
			head += name + ": " + text + "\r\n"
		}
		return harness.Raw(head + "\r\n" + body)
	}
}

// logTexts are what a token service would like an operator's terminal to read.
var logTexts = map[string]string{
	"escape":      "\u009b31mevil\u009b0m",
	"bytes":       "\x9b31mevil\xff",
	"format":      "evil %s%1000000d%!",
	"long":        "evil" + strings.Repeat("e", 4<<10),
	"a sentence":  "evil; token service forged",
	"a JSON line": "evil\u2028\u2029evil",
}

// Whatever a token service answers, each line of the log is the plugin's own, and short, and has nothing of the answer.
func TestAnswersInLog(t *testing.T) {
	t.Parallel()
	configs, answers := map[string]harness.Config{}, map[string]http.HandlerFunc{}
	for place, answer := range answersWith {
		for name, text := range logTexts {
			host := harness.HostName(place + "-" + name)
			answers[host] = answer(text)
			configs[host] = harness.OAuth2Config("/"+host, nil, harness.Config{"cache": harness.Config{"expiresAtPath": "end"}})
		}
	}
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(configs)})
	gateway.Token.Handle(harness.ByPath(answers, harness.Status(http.StatusNotFound)))
	for host := range configs {
		if answer := gateway.Get(t, "/", "Host: "+host); answer.Status != http.StatusOK && strings.Contains(answer.Body, "evil") {
			t.Errorf("%s: the client was answered %q", host, answer.Body)
		}
	}
	gateway.WaitLog(t, "which is not supported")
	checkLog(t, gateway, "evil", "forged", "%s", "%!")
}

// checkLog finds log lines of the plugin that are too long, contain terminal escapes, or contain one of the texts.
func checkLog(t *testing.T, gateway *harness.Gateway, texts ...string) {
	t.Helper()
	isControl := func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' }
	for line := range strings.Lines(gateway.Log()) {
		isIn := func(text string) bool { return strings.Contains(line, text) }
		switch {
		case len(line) > 1000:
			t.Errorf("a line of %d bytes, which begins with %.200q", len(line), line)
		case !utf8.ValidString(line), strings.ContainsFunc(strings.TrimSuffix(line, "\n"), isControl):
			t.Errorf("a line that a terminal would heed: %q", line)
		case slices.ContainsFunc(texts, isIn):
			t.Errorf("a line with what was sent: %q", line)
		}
	}
}
