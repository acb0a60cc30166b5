package chains

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"token-fetch/e2e/harness"
)

// hostile has each reference that a client writes, in each place.
var hostile = map[string]config{
	"target": harness.PlainConfig(config{"requestPath": "/v1/${request.header.X-In}/x?y=1&in=${request.query.in}", "failure": config{}}),
	"json": harness.PlainConfig(config{"failure": config{}, "requestHeaders": config{"X-Out": "a ${request.cookie.in}", "X-Other": "b"},
		"requestBody": `{"a": "b", "header": "${request.header.X-In}", "query": "${request.query.in}"}`}),
	"header": harness.PlainConfig(config{"failure": config{}, "requestHeaders": config{"X-A": "b", "X-Out": "${request.header.X-In}", "X-Query": "${request.query.in}"}}),
	"form":   harness.OAuth2Config("/token", config{"params": config{"a": "b", "header": "${request.header.X-In}", "query": "${request.query.in}"}}, nil),
}

// What a client writes arrives as it was, and as nothing else, or there is no call: over HTTP/1.1 and HTTP/2, to the gateway and on to the
// service. No value makes a call fail, which would hold up other clients.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	rules := map[string]config{}
	for name, rule := range hostile {
		rules[name], rules["h2-"+name] = rule, harness.Merge(rule, config{"serviceName": "h2.dns", "servicePort": 80})
	}
	service := harness.NewTokenService(t)
	gateway := harness.Start(t, harness.Options{Details: true, Config: harness.ByHost(rules), Token: service,
		Services: []harness.Service{{Name: "h2.dns", Address: service.Address, HTTP2: true}}})
	gateway.Token.Handle(harness.ByPath(map[string]http.HandlerFunc{"token": harness.JSON(200, config{"access_token": "t", "token_type": "Bearer", "expires_in": 0})}, harness.HeaderToken("X-Token", "t")))
	for _, value := range []string{
		`"`, `\`, `","admin":"true`, "%2e%2e%2f", "%00", "&a=c", "a=b;c", "+", "a b", " a", "a\t", "\x80", "\x7f", "é", "\xff", "${request.host}", "..", ".", "../../admin", "..%2f", "/", "//", "?a=b", "#a", "a\r\nX-Other: c", "\x00", "<a>", strings.Repeat("a", 16<<10), strings.Repeat("a", 16<<10+1),
	} {
		for version, client := range map[string]*http.Client{"HTTP/1.1": gateway.Client(), "HTTP/2": gateway.HTTP2Client()} {
			for host := range rules {
				header := value
				if strings.ContainsAny(value, "\r\n\x00\x7f\t") || strings.HasPrefix(value, " ") || len(value) > 16<<10 {
					header = "x" // the client's library does not send the others, nor does Envoy take two of the last
				}
				gateway.Token.Forget()
				request := gateway.Request(t, http.MethodGet, "/?in="+url.QueryEscape(value), "", "Host: "+host)
				request.Header = http.Header{"X-In": {header}, "Cookie": {"in=" + url.QueryEscape(value)[:min(len(value), 100)]}}
				answer, err := harness.Send(client, request)
				if err != nil {
					t.Fatalf("%s, %.40q: %v", version, value, err)
				}
				calls := gateway.Token.Calls()
				if len(calls) == 0 && answer.Status == 500 && answer.Header.Get(harness.DetailsHeader) == "token_fetch.missing_reference" {
					rule := strings.TrimPrefix(host, "h2-")
					if isRefused := len(value) > 16<<10 || rule == "json" && !utf8.ValidString(value) || rule == "target" && strings.HasPrefix(header, ".") || rule == "header" && header == "x"; !isRefused {
						t.Errorf("%s, %s, %.40q: no call", version, host, value)
					}
					continue
				}
				if len(calls) != 1 {
					t.Errorf("%s, %s, %.40q: got %d and %d calls", version, host, value, answer.Status, len(calls))
					continue
				}
				if err := readHostile(strings.TrimPrefix(host, "h2-"), calls[0], header, value); err != nil {
					t.Errorf("%s, %s, %.40q: %v", version, host, value, err)
				}
			}
		}
	}
}

// readHostile expects the two values in a call, and nothing else.
func readHostile(host string, call harness.Call, header, query string) error {
	got := map[string]any{}
	switch host {
	case "target":
		path, search, _ := strings.Cut(call.URI, "?")
		segments := strings.Split(path, "/")
		form, err := url.ParseQuery(search)
		if err != nil || len(segments) != 4 || segments[3] != "x" || len(form) != 2 {
			return fmt.Errorf("got %.200s (%w)", call.URI, err)
		}
		segment, err := url.PathUnescape(segments[2])
		if err != nil {
			return err
		}
		got["a"], got["header"], got["query"] = "b", segment, form.Get("in")
	case "json":
		if err := json.Unmarshal([]byte(call.Body), &got); err != nil {
			return err
		}
		if out := call.Header["X-Out"]; len(out) != 1 || !strings.HasPrefix(out[0], "a ") || call.Header.Get("X-Other") != "b" {
			return fmt.Errorf("got the headers %v", call.Header)
		}
	case "header":
		got["a"], got["header"], got["query"] = call.Header.Get("X-A"), strings.Join(call.Header["X-Out"], ","), strings.Join(call.Header["X-Query"], ",")
	case "form":
		form, err := url.ParseQuery(call.Body)
		if err != nil || len(form) != 4 {
			return fmt.Errorf("got %.200s (%w)", call.Body, err)
		}
		got["a"], got["header"], got["query"] = form.Get("a"), form.Get("header"), form.Get("query")
	}
	if len(got) != 3 || got["a"] != "b" || got["header"] != header || got["query"] != query {
		return fmt.Errorf("got %.300v", got)
	}
	return nil
}

// Four workers make each call of a cold chain once, also per caller, and fetch a link that was revoked once.
func TestChainOfWorkers(t *testing.T) {
	t.Parallel()
	const workers = 4
	server := newLinkServer()
	gateway := harness.Start(t, harness.Options{Workers: workers, Details: true, Config: harness.ByHost(map[string]config{
		"common": chainOf("common", nil), "callers": chainOf("callers", config{"forwardHeaders": []string{"X-User"}}), "ended": chainOf("ended", config{"cache": config{"refreshBefore": 0}}),
	})})
	gateway.Token.Handle(harness.Delay(100*time.Millisecond, server.answer))
	clients := gateway.WorkerClients(t)
	for _, client := range clients {
		gateway.AskBy(t, client, "other") // before many at once, which would each open a connection
	}
	ask := func(host string, count int, headers ...string) {
		t.Helper()
		var all sync.WaitGroup
		for i := range count {
			all.Go(func() {
				if got := gateway.AskBy(t, clients[i%workers], host, append(headers, fmt.Sprintf("X-User: %d", i/workers))...); got.Status != 200 {
					t.Errorf("%s: got %d, %v", host, got.Status, got.Err)
				}
			})
		}
		all.Wait()
	}
	ask("common", 40)
	checkCalls(t, gateway, "common", map[string]int{"login": 1, "exchange": 1, "call": 1})
	ask("callers", 40)
	checkCalls(t, gateway, "callers", map[string]int{"login": 1, "exchange": 1, "call": 10})
	server.mu.Lock()
	server.end["/ended/call"] = 1
	server.mu.Unlock()
	ask("ended", 4)
	server.revoke("/ended/exchange")
	gateway.Token.Forget()
	time.Sleep(1100 * time.Millisecond) // until the end of the call's token
	ask("ended", 40)
	calls := map[string]int{}
	for _, call := range gateway.Token.Calls() {
		calls[call.URI]++
	}
	if calls["/ended/login"] != 0 || calls["/ended/exchange"] != 1 {
		t.Errorf("got %v, expected one new link", calls)
	}
}

// Requests that wait for a chain when another's client leaves, or their configuration is replaced, get their token: links that stay
// as they are, too.
func TestChainsThatAreLeft(t *testing.T) {
	t.Parallel()
	server := newLinkServer()
	gateway := harness.Start(t, harness.Options{ECDS: true, Config: harness.ByHost(map[string]config{"left": chainOf("left", nil)}), Details: true})
	release := make(chan struct{})
	gateway.Token.Handle(harness.Hold(release, server.answer))
	impatient := &http.Client{Timeout: 300 * time.Millisecond}
	if _, err := harness.Send(impatient, gateway.Request(t, http.MethodGet, "/", "", "Host: left")); err == nil {
		t.Error("the request was answered while its link is slow")
	}
	waiting := harness.SendParallel(gateway.Client(), gateway.Requests(t, "left", 5)...)
	gateway.WaitActive(t, 5)
	gateway.Update(t, harness.ByHost(map[string]config{"left": chainOf("left", config{"failure": config{"status": 503}})}))
	close(release)
	waiting.CheckStatus(t, 200)
	get(t, gateway, "left", 200)
	checkCalls(t, gateway, "left", map[string]int{"login": 1, "exchange": 1, "call": 1})
}
