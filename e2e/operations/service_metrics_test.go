package operations_test

import (
	"net/http"
	"regexp"
	"testing"

	"token-fetch/e2e/harness"
)

// TestFailuresByReason has token services fail in every way there is, and looks where it is counted: by its reason,
// in total and for the token service.
func TestFailuresByReason(t *testing.T) {
	t.Parallel()
	answers := map[string]http.HandlerFunc{
		"other_status": harness.Status(http.StatusForbidden),
		"rate_limited": harness.Status(http.StatusTooManyRequests),
		"server_error": harness.Status(http.StatusInternalServerError),
		"no_token":     harness.Status(http.StatusOK),
		"bad_answer":   harness.HeaderToken("X-Token", "token-1"),
	}
	hosts := map[string]map[string]any{
		"no-cluster": harness.PlainConfig(map[string]any{"serviceName": "nowhere.static"}),
		"not-sent":   harness.PlainConfig(map[string]any{"serviceName": harness.EmptyName}),
		"down":       harness.PlainConfig(map[string]any{"serviceName": harness.DeadName, "servicePort": harness.DeadPort}),
	}
	for reason := range answers {
		hosts[harness.HostName(reason)] = harness.PlainConfig(map[string]any{"requestPath": "/" + reason})
	}
	hosts["bad-answer"]["successWhen"] = []map[string]any{{"header": "X-Code", "equals": "0"}}
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(hosts)})
	gateway.Token.Handle(func(w http.ResponseWriter, r *http.Request) { answers[r.URL.Path[1:]](w, r) })
	for host := range hosts {
		gateway.Get(t, "/", "Host: "+host)
	}
	want := harness.Counters{
		"calls": 6, "call_failures": 6, "denied": 6, "allowed_without_token": 2,
		"service.token_static_80.calls": 5, "service.token_static_80.call_failures": 5,
		"failures_no_cluster": 1, "service.nowhere_static_80.failures_no_cluster": 1,
		"service.nowhere_static_80.allowed_without_token": 1, "service.nowhere_static_80.calls": 0,
		"failures_not_sent": 1, "service.empty_static_80.failures_not_sent": 1,
		"service.dead_static_8080.call_failures": 1,
	}
	for reason := range answers {
		want["service.token_static_80.failures_"+reason] = 1
	}
	gateway.WaitGrowth(t, harness.Counters{}, want)
	// A service that is down is counted as no answer, or as the one that Envoy makes up in its place.
	down := gateway.Counters(t, harness.Counters{"service.dead_static_8080.failures_no_answer": 0, "service.dead_static_8080.failures_server_error": 0})
	total := gateway.Counters(t, harness.Counters{"failures_no_answer": 0, "failures_server_error": 0})
	if noAnswer := total["failures_no_answer"]; noAnswer+total["failures_server_error"] != 2 || noAnswer != down["service.dead_static_8080.failures_no_answer"] {
		t.Errorf("got %v of the service that is down, and %v in all, want one, and one more of the server that answers 500", down, total)
	}
}

// TestAccessLogTellsWhy has Envoy write an access log in the format that docs/operations.md gives, and expects the lines that
// stand there.
func TestAccessLogTellsWhy(t *testing.T) {
	t.Parallel()
	page := harness.ReadProjectFile(t, "docs", "operations.md")
	shown := regexp.MustCompile("(?s)With `(%REQ[^`]*)`.*?```text\n(/good [^\n]*\n)(/denied [^\n]*\n)```").FindSubmatch(page)
	if shown == nil {
		t.Fatal("docs/operations.md shows no format and two lines of an access log")
	}
	gateway := harness.Start(t, harness.Options{Config: harness.PlainConfig(nil), AccessLog: string(shown[1]) + "\n"})
	for path, want := range map[string]struct {
		answer http.HandlerFunc
		line   []byte
	}{
		"/good":   {harness.HeaderToken("X-Token", "token-1"), shown[2]},
		"/denied": {harness.Status(http.StatusForbidden), shown[3]},
	} {
		gateway.Token.Handle(want.answer)
		gateway.Get(t, path)
		gateway.WaitLog(t, string(want.line))
	}
}
