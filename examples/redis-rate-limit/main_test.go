package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/higress-group/wasm-go/pkg/test"

	"token-fetch/internal/redistest"
)

// The Wasm half of the tests runs what make examples has built.
func TestMain(m *testing.M) {
	if _, err := os.Stat("main.wasm"); err != nil {
		fmt.Fprintln(os.Stderr, "main.wasm is missing: run make examples first")
		os.Exit(1)
	}
	os.Setenv("WASM_FILE_PATH", "main.wasm")
	log.SetOutput(io.Discard) // what the emulator says of each call
	os.Exit(m.Run())
}

// gateway is the plugin in the SDK's emulator, whose calls of Redis go to a real one.
type gateway struct {
	test.TestHost
	t     *testing.T
	redis *redistest.Client
}

func start(t *testing.T, redis *redistest.Client, qpm int) *gateway {
	t.Helper()
	host, status := test.NewTestHost(json.RawMessage(fmt.Sprintf(`{"serviceName": "redis.static", "qpm": %d}`, qpm)))
	if status != types.OnPluginStartStatusOK {
		t.Fatalf("the plugin does not start: %q", host.GetErrorLogs())
	}
	t.Cleanup(host.Reset)
	return &gateway{host, t, redis}
}

// answer is what a request came to.
type answer struct {
	status  uint32 // 0: it went on to the upstream
	body    string
	headers map[string]string // of the response
}

// request sends one through the plugin and, unless it was answered, an upstream's response back.
func (g *gateway) request() answer {
	g.t.Helper()
	g.InitHttp()
	defer g.CompleteHttp()
	action := g.CallOnHttpRequestHeaders([][2]string{{":authority", "a.com"}, {":path", "/"}, {":method", "GET"}})
	if action == types.HeaderStopAllIterationAndWatermark {
		g.answerRedis()
	}
	headers := g.GetResponseHeaders
	if local := g.GetLocalResponse(); local != nil {
		return answer{local.StatusCode, string(local.Data), lowered(local.Headers)}
	}
	if got := g.GetHttpStreamAction(); got != types.ActionContinue {
		g.t.Fatalf("got the action %v after Redis has answered, expected that the request goes on", got)
	}
	g.CallOnHttpResponseHeaders([][2]string{{":status", "200"}})
	return answer{headers: lowered(headers())}
}

// answerRedis has the calls of the request made.
func (g *gateway) answerRedis() {
	type reply struct {
		ok   bool
		data []byte
	}
	for calls := g.GetRedisCalloutAttributes(); len(calls) > 0; calls = g.GetRedisCalloutAttributes() {
		call := calls[0] // after a refusal wasm-go's client makes it once more
		came := make(chan reply, 1)
		g.redis.Call(call.Query, func(ok bool, data []byte) { came <- reply{ok, data} })
		r := <-came
		status := int32(0)
		if !r.ok {
			status = 1
		}
		g.CallOnRedisCallResponse(call.CalloutID, status, r.data)
	}
}

func lowered(headers [][2]string) map[string]string {
	found := map[string]string{}
	for _, header := range headers {
		found[strings.ToLower(header[0])] = header[1]
	}
	return found
}

// awaitMinute waits until a minute is far from its end, so that a test does not run into the next one.
func awaitMinute() {
	for left := window - time.Since(time.Now().Truncate(window)); left < 10*time.Second; left = window - time.Since(time.Now().Truncate(window)) {
		time.Sleep(left)
	}
}

func TestLimit(t *testing.T) {
	server := redistest.Start(t)
	test.RunTest(t, func(t *testing.T) {
		awaitMinute()
		server.Do("FLUSHALL")
		client := redistest.NewClient(server.Address, "", "", time.Second)
		g := start(t, client, 3)
		minute := ""
		for number := range 3 {
			got := g.request()
			if number == 0 {
				minute = got.headers["timestamp"]
				checkMinute(t, minute)
			}
			if left := strconv.Itoa(2 - number); got.status != 0 || got.headers["calltimeleft"] != left || got.headers["timestamp"] != minute {
				t.Errorf("request %d: got %+v, expected that it goes on with %s left in the minute %s", number, got, left, minute)
			}
		}
		for range 2 {
			got := g.request()
			if got.status != 429 || got.body != "Too many requests" || got.headers["calltimeleft"] != "0" || got.headers["timestamp"] != minute {
				t.Errorf("got %+v, expected 429 Too many requests in the minute %s", got, minute)
			}
		}
		if left := server.Do("TTL", keyPrefix+minute); left == ":-1" || left == ":-2" {
			t.Errorf("got a counter with the time to live %s, expected one with an end", left)
		}
		// One whose end was lost has it again with the next request.
		server.Do("PERSIST", keyPrefix+minute)
		g.request()
		if left := server.Do("TTL", keyPrefix+minute); left == ":-1" {
			t.Error("got a counter that stays for ever, expected that the next request gives it an end")
		}
	})
}

func checkMinute(t *testing.T, minute string) {
	t.Helper()
	seconds, err := strconv.ParseInt(minute, 10, 64)
	ago := time.Since(time.Unix(seconds, 0))
	isCompiled := strings.HasSuffix(t.Name(), "/wasm") // the emulator's clock stands there
	if err != nil || seconds%60 != 0 || !isCompiled && (ago < 0 || ago >= window) {
		t.Errorf("got the window %q, expected the seconds since 1970 of this minute's begin", minute)
	}
}

func TestRedisThatCannotBeAsked(t *testing.T) {
	tests := map[string]func(t *testing.T, server *redistest.Server){
		"down":          func(_ *testing.T, server *redistest.Server) { server.Stop() },
		"hanging":       func(_ *testing.T, server *redistest.Server) { server.Send("DEBUG", "SLEEP", "3") },
		"refusing":      func(_ *testing.T, server *redistest.Server) { server.Do("CONFIG", "SET", "requirepass", "secret") },
		"no number":     func(_ *testing.T, server *redistest.Server) { fillWindows(server, "SET", "rubbish") },
		"not a counter": func(_ *testing.T, server *redistest.Server) { fillWindows(server, "RPUSH", "rubbish") },
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t, "--enable-debug-command", "yes")
			prepare(t, server)
			test.RunGoTest(t, func(t *testing.T) {
				g := start(t, redistest.NewClient(server.Address, "", "", 100*time.Millisecond), 1)
				for range 3 {
					if got := g.request(); got.status != 0 || len(got.headers["calltimeleft"]) > 0 {
						t.Errorf("got %+v, expected that the request passes uncounted", got)
					}
				}
				if lines := strings.Join(g.GetErrorLogs(), "\n"); strings.Count(lines, "requests are not counted and pass") != 1 {
					t.Errorf("got the log %q, expected one line that requests pass", lines)
				}
			})
		})
	}
}

// fillWindows puts something into the counters of this minute and the next.
func fillWindows(server *redistest.Server, command, value string) {
	for _, at := range []time.Time{time.Now(), time.Now().Add(window)} {
		server.Do(command, keyPrefix+strconv.FormatInt(at.Truncate(window).Unix(), 10), value)
	}
}

func TestConfig(t *testing.T) {
	tests := map[string]string{
		`{}`:                                   "missing serviceName in config",
		`{"serviceName": "r.dns"}`:             "missing qpm in config",
		`{"serviceName": "r.dns", "qpm": 0}`:   "invalid qpm in config: 0 (want 1 to 2147483647)",
		`{"serviceName": "r.dns", "qpm": 1.5}`: "invalid qpm in config: 1.5",
		`{"serviceName": "r.dns", "qpm": "5"}`: `invalid qpm in config: "5"`,
		`{"serviceName": "r.dns", "qpm": 1, "servicePort": 65536}`:          "invalid servicePort in config: 65536 (want 1 to 65535)",
		`{"serviceName": "r.dns", "qpm": 1, "timeout": -1}`:                 "invalid timeout in config: -1 (want 1 to 60000)",
		`{"serviceName": "r.dns", "qpm": 1}`:                                "",
		`{"serviceName": "r.dns", "qpm": 1, "password": "a", "timeout": 5}`: "",
	}
	for config, want := range tests {
		t.Run(config, func(t *testing.T) {
			test.RunGoTest(t, func(t *testing.T) {
				host, status := test.NewTestHost(json.RawMessage(config))
				defer host.Reset()
				if isStarted := status == types.OnPluginStartStatusOK; isStarted != (want == "") {
					t.Fatalf("started: got %t, expected %t", isStarted, want == "")
				}
				lines := strings.Join(slices.Concat(host.GetWarnLogs(), host.GetErrorLogs(), host.GetCriticalLogs()), "\n")
				if !strings.Contains(lines, want) {
					t.Errorf("got the log %q, expected %q", lines, want)
				}
			})
		})
	}
}
