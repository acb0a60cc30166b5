package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/proxytest"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/higress-group/wasm-go/pkg/test"
)

// runGateway makes this process a gateway of the fleet's test, if that has started it.
var runGateway = func() bool { return false }

// The Wasm half of the tests runs the built file, before the exports that only
// the emulator calls are cut off. wasm-go skips that half when it has no file, so that
// the absence must fail here.
const linkedWasm = "build/linked.wasm"

func TestMain(m *testing.M) {
	if runGateway() {
		return
	}
	if _, err := os.Stat(linkedWasm); err != nil {
		fmt.Fprintf(os.Stderr, "%s is missing: run make build redis examples first\n", linkedWasm)
		os.Exit(1)
	}
	os.Setenv("WASM_FILE_PATH", linkedWasm)
	flag.Parse()
	if !testing.Verbose() {
		log.SetOutput(quietLog{})
	}
	code := m.Run()
	if code != 0 && !testing.Verbose() {
		fmt.Println("go test -v also shows what the plugin and its calls said, in the emulator's log")
	}
	os.Exit(code)
}

// quietLog is the emulator's log without its lines about each call, of which a failed test would show thousands. What
// stays is what it can't go on after.
type quietLog struct{}

var aboutCalls = regexp.MustCompile(`proxy_\w+_log: |\[(http callout|foreign call|redis \w+)`)

func (quietLog) Write(line []byte) (int, error) {
	if aboutCalls.Match(line) {
		return len(line), nil
	}
	return os.Stderr.Write(line)
}

// TestPlugin runs the tests natively and compiled; compiling takes seconds, so all
// share one VM.
func TestPlugin(t *testing.T) {
	test.RunTest(t, func(t *testing.T) {
		t.Run("RequestAsInTheSample", testRequestAsInTheSample)
		t.Run("CachedRequest", testCachedRequest)
		t.Run("MetricsOfServices", testMetricsOfServices)
		t.Run("RouteIsKeptForRulesByRoute", testRouteIsKeptForRulesByRoute)
		t.Run("BadConfigurationDoesNotStart", testBadConfigurationDoesNotStart)
		t.Run("NamesAreHiddenFromTheNextHop", testNamesAreHiddenFromTheNextHop)
		t.Run("NoNamesWithoutABody", testNoNamesWithoutABody)
		t.Run("BadAuthorityIsRefused", testBadAuthorityIsRefused)
		t.Run("StartIsLoggedOnce", testStartIsLoggedOnce)
	})
}

// In the emulator, the host that has one plugin context has it as number 1.
const rootContext = proxytest.PluginContextID

// calls are the calls under way. Those that a request has caused are the root context's; of the compiled plugin, the
// emulator takes them for the request's.
func calls(host test.TestHost) []proxytest.HttpCalloutAttribute {
	return append(slices.Clone(host.GetCalloutAttributesFromContext(rootContext)), host.GetHttpCalloutAttributes()...)
}

// answer ends the one call that is under way.
func answer(t *testing.T, host test.TestHost, headers [][2]string) {
	t.Helper()
	open := calls(host)
	if len(open) != 1 {
		t.Fatalf("calls: got %d, expected 1", len(open))
	}
	host.CallOnHttpCallResponse(open[0].CalloutID, headers, nil, nil)
}

func start(t *testing.T, config string) test.TestHost {
	t.Helper()
	host, status := test.NewTestHost(json.RawMessage(config))
	if status != types.OnPluginStartStatusOK {
		t.Fatalf("the plugin does not start: %q", host.GetErrorLogs())
	}
	return host
}

func request(headers ...string) [][2]string {
	list := [][2]string{{":authority", "a.com"}, {":path", "/"}, {":method", "GET"}}
	for i := 0; i < len(headers); i += 2 {
		list = append(list, [2]string{headers[i], headers[i+1]})
	}
	return list
}

func testRequestAsInTheSample(t *testing.T) {
	tests := map[string]struct {
		answer [][2]string // nil: a timeout
		token  string
		status uint32 // of the reply; 0: none, the request goes on
	}{
		"token":        {[][2]string{{":status", "200"}, {"x-token", "t1"}}, "t1", 0},
		"no token":     {[][2]string{{":status", "200"}}, "", 0},
		"empty token":  {[][2]string{{":status", "200"}, {"x-token", ""}}, "", 0},
		"other status": {[][2]string{{":status", "503"}, {"x-token", "t1"}}, "", 500},
		"no answer":    {nil, "", 500},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			host := start(t, sampleJSON)
			defer host.Reset()
			if action := host.CallOnHttpRequestHeaders(request("X-Token", "forged")); action != types.HeaderStopAllIterationAndWatermark {
				t.Fatalf("action: got %v, expected to stop all iteration", action)
			}
			answer(t, host, c.answer)
			checkSettled(t, host, c.token, c.status)
			checkNoTokenInLogs(t, host, "t1")
		})
	}
}

// checkSettled checks the outcome of the request.
func checkSettled(t *testing.T, host test.TestHost, token string, status uint32) {
	t.Helper()
	reply := host.GetLocalResponse()
	if status != 0 {
		if reply == nil || reply.StatusCode != status || string(reply.Data) != "http call failed" {
			t.Errorf("reply: got %+v, expected %d http call failed", reply, status)
		}
		return
	}
	if reply != nil {
		t.Fatalf("reply: got %+v, expected none", reply)
	}
	if action := host.GetHttpStreamAction(); action != types.ActionContinue {
		t.Errorf("action: got %v, expected the request to go on", action)
	}
	got, found := test.GetHeaderValue(host.GetRequestHeaders(), "x-token")
	if got != token || found != (token != "") {
		t.Errorf("x-token: got %q (%v), expected %q", got, found, token)
	}
}

func checkNoTokenInLogs(t *testing.T, host test.TestHost, token string) {
	t.Helper()
	logs := [][]string{host.GetTraceLogs(), host.GetDebugLogs(), host.GetInfoLogs(), host.GetWarnLogs(), host.GetErrorLogs(), host.GetCriticalLogs()}
	for _, lines := range logs {
		for _, line := range lines {
			if strings.Contains(line, token) {
				t.Errorf("the log holds the token: %s", line)
			}
		}
	}
}

func testCachedRequest(t *testing.T) {
	host := start(t, withCache(""))
	defer host.Reset()
	host.Tick() // writes what the tests before have counted in this VM
	before := map[string]uint64{}
	for _, name := range []string{"calls", "cache_hits", "cache_misses"} {
		before[name], _ = host.GetCounterMetric(metricPrefix + name)
	}
	host.CallOnHttpRequestHeaders(request())
	if got := calls(host); len(got) != 1 || got[0].Upstream != "outbound|8080||token.dns" {
		t.Fatalf("calls: got %+v, expected one of the token service's cluster", got)
	}
	answer(t, host, [][2]string{{":status", "200"}, {"x-token", "t1"}})
	checkSettled(t, host, "t1", 0)
	host.CompleteHttp()

	host.InitHttp()
	if action := host.CallOnHttpRequestHeaders(request("x-token", "forged")); action != types.ActionContinue {
		t.Errorf("action with a cached token: got %v, expected to go on at once", action)
	}
	checkSettled(t, host, "t1", 0)
	host.Tick()
	for name, count := range before {
		if got, err := host.GetCounterMetric(metricPrefix + name); err != nil || got-count != 1 {
			t.Errorf("%s: got %d more (%v), expected 1", name, got-count, err)
		}
	}
	checkNoTokenInLogs(t, host, "t1")
}

// The Higress host chooses the route anew when headers change, unless it is told not to: where a rule depends on
// the route, whichever rule the request has, and whether a token is set or taken off.
func testRouteIsKeptForRulesByRoute(t *testing.T) {
	tests := map[string]struct {
		conditions []string
		want       string
	}{
		"route":                    {[]string{`"_match_route_": ["test-route-default"]`}, "off"},
		"another route":            {[]string{`"_match_route_": ["other"]`}, "off"},
		"route prefix":             {[]string{`"_match_route_prefix_": ["test-"]`}, "off"},
		"service":                  {[]string{`"_match_service_": ["a.dns"]`}, "off"},
		"route and domain":         {[]string{`"_match_route_": ["a"], "_match_domain_": ["*"]`}, "off"},
		"domain, and then a route": {[]string{`"_match_domain_": ["*"]`, `"_match_route_": ["a"]`}, "off"},
		"domain":                   {[]string{`"_match_domain_": ["*"]`}, ""},
	}
	for name, test := range tests {
		for token, headers := range map[string][][2]string{"token": {{":status", "200"}, {"x-token", "t1"}}, "no token": {{":status", "200"}}} {
			host := start(t, withRules(test.conditions...))
			host.CallOnHttpRequestHeaders(request())
			answer(t, host, headers)
			if got, _ := host.GetProperty([]string{"clear_route_cache"}); string(got) != test.want {
				t.Errorf("%s, %s: got clear_route_cache %q, expected %q", name, token, got, test.want)
			}
			host.Reset()
		}
	}
}

func testBadConfigurationDoesNotStart(t *testing.T) {
	for config, want := range map[string]string{
		`{"requestPath": "/", "serviceName": "a.dns"}`:                                       "missing tokenHeader in config",
		`{"clientSecret": "s3cr3t" oops`:                                                     "not JSON at line 1, column 27",
		extended(`"timeout": 0, "_rules_": [{"_match_route_": ["a"], "timeout": 5}]`):        "invalid timeout in config: 0 (want 1 to 60000)",
		extended(`"_rules_": [{"_match_route_": ["a"], "tokenHeadr": "s3cr3t"}]`):            "unknown key tokenHeadr in config (did you mean tokenHeader?)",
		extended(`"oauth2": {"clientId": "id", "clientSecret": "s3cr3t", "authStyle": "x"}`): `invalid oauth2.authStyle in config: "x" (want header, body, none, client_secret_jwt, private_key_jwt, client_assertion)`,
	} {
		host, status := test.NewTestHost(json.RawMessage(config))
		if status == types.OnPluginStartStatusOK {
			t.Errorf("%s: the plugin starts", config)
		}
		if logged := strings.Join(host.GetErrorLogs(), "\n"); !strings.Contains(logged, want) {
			t.Errorf("%s: logged %q, expected %q", config, logged, want)
		}
		checkNoTokenInLogs(t, host, "s3cr3t")
		host.Reset()
	}
}
