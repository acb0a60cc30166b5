package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
)

const answered500 = "requests without a token are answered 500"

func TestFailureLog(t *testing.T) {
	h := newFakeHost()
	l := failureLog{host: h, service: &serviceLabel{address: "token.dns:80"}}
	fail := func(count int) {
		for range count {
			l.failed("answered 503", answered500)
			h.Pass(10 * time.Millisecond)
		}
	}
	tests := []struct {
		name string
		do   func()
		want []string
	}{
		{"the first failure", func() { fail(1) }, []string{
			"token service token.dns:80 answered 503; requests without a token are answered 500"}},
		{"ten seconds of them", func() { fail(1000) }, []string{
			"token service token.dns:80 answered 503, and 999 more failures since the last line; requests without a token are answered 500"}},
		{"the end", func() { l.succeeded(); l.succeeded() }, []string{
			"token service token.dns:80 recovered after 1001 failures in 10.01s"}},
		{"good and bad by turns", func() {
			for range 400 {
				fail(1)
				l.succeeded()
			}
		}, nil},
		{"and the sum of it", func() { h.Pass(lineInterval); l.tick(); l.tick() }, []string{
			"token service token.dns:80 answered 503, and 399 more failures since the last line; it has recovered since"}},
		{"quiet, then a failure", func() { h.Pass(time.Hour); fail(1) }, []string{
			"token service token.dns:80 answered 503; requests without a token are answered 500"}},
	}
	for _, test := range tests {
		h.lines = nil
		test.do()
		if !slices.Equal(h.lines, test.want) {
			t.Errorf("%s: got %q, expected %q", test.name, h.lines, test.want)
		}
	}
}

// Of a hundred events, the first has a line at once, and the others their sum later.
func TestEventLog(t *testing.T) {
	name := &serviceLabel{address: "idp.dns:443", parts: []string{"rule 2"}, oauthClient: "gateway"}
	for _, test := range []struct {
		event      eventLine
		begin, end string // of its lines; the sum stands between them
	}{
		{refusedCaller(name, "answered 400 (invalid_grant)"),
			"token service idp.dns:443 (rule 2, client gateway) answered 400 (invalid_grant): rejected a caller's token", "; answering 401"},
		{rejectedToken(name, "upstream", "answered 401"), "upstream answered 401 to a request with a token of token service idp.dns:443 (rule 2, client gateway)",
			"; fetching a new token, after repeated rejections at most every 30s; check the token's audience and scope, the clocks, or cache.invalidateOn"},
	} {
		h, l := newFakeHost(), eventLog{}
		for range 100 {
			l.add(h, test.event)
		}
		l.tick(h)
		h.Pass(lineInterval)
		l.tick(h)
		l.tick(h)
		if want := []string{test.begin + test.end, test.begin + ", and 98 more since the last line" + test.end}; !slices.Equal(h.lines, want) {
			t.Errorf("got %q, expected %q", h.lines, want)
		}
	}
}

// Redis that fails for many rules is one failure.
func TestRedisLog(t *testing.T) {
	p, h := &pluginContext{}, newFakeHost()
	var logs []*redisLog
	for range 1000 {
		l := p.redisLogFor("redis.dns:6379")
		l.host = h
		logs = append(logs, l)
	}
	fail := func() {
		for _, l := range logs {
			l.RedisFailed(errors.New("answered with the error OOM"))
		}
	}
	fail()
	h.Pass(lineInterval)
	fail()
	for _, l := range logs {
		l.RedisRecovered()
	}
	const alone = "; fetching tokens directly until Redis recovers"
	want := []string{
		"Redis redis.dns:6379 answered with the error OOM" + alone,
		"Redis redis.dns:6379 answered with the error OOM, and 999 more failures since the last line" + alone,
		"Redis redis.dns:6379 recovered: sharing tokens with the fleet again",
	}
	if !slices.Equal(h.lines, want) {
		t.Errorf("got the lines %q, expected %q", h.lines, want)
	}
	if p.redisLogFor("other.dns:6379") == logs[0] {
		t.Error("another Redis: got the same log, expected its own")
	}
}

// Whose token service it is: also of a thousand rules that share one, and of an id that would forge a line.
func TestSourceName(t *testing.T) {
	parts := func(n int) (names []string) {
		for i := range n {
			names = append(names, fmt.Sprintf("rule %d", i+1))
		}
		return names
	}
	for want, of := range map[string]struct {
		parts  []string
		client string
	}{
		"a.dns:80":                  {},
		"a.dns:80 (client gateway)": {nil, "gateway"},
		"a.dns:80 (rule 1)":         {parts(1), ""},
		"a.dns:80 (global part, rule 1, client a@b.c)":         {append([]string{"global part"}, parts(1)...), "a@b.c"},
		"a.dns:80 (rule 1, rule 2, rule 3, 1 more rule)":       {parts(4), ""},
		"a.dns:80 (rule 1, rule 2, rule 3, 997 more rules)":    {append(parts(1000), parts(1)...), ""},
		`a.dns:80 (client "a\n\u202e, rule 9")`:                {nil, "a\n\u202e, rule 9"},
		"a.dns:80 (client " + strings.Repeat("a", 64) + "...)": {nil, strings.Repeat("a", 4096)},
	} {
		n := &serviceLabel{address: "a.dns:80", oauthClient: of.client}
		for _, part := range of.parts {
			n.addPart(part)
		}
		if got := n.String(); got != want {
			t.Errorf("got %s, expected %s", got, want)
		}
	}
}

// Lines name the rules that share a client, and say at level debug how long a token lives and why.
func TestLinesNameTheirRules(t *testing.T) {
	const oauth2 = `"serviceName": "idp.dns", "requestPath": "/token", "oauth2": {"clientId": "%s", "clientSecret": "s3cr3t"}`
	ofClient := func(id string) string { return fmt.Sprintf(oauth2, id) }
	p := &pluginContext{vm: &vmContext{}}
	p.configure(mustParse(t, `{`+ofClient("common")+`, "_rules_": [
		{"_match_domain_": ["a.com"]},
		{"_match_domain_": ["b.com"], `+ofClient("second")+`},
		{"_match_domain_": ["c.com"], "failure": {"status": 503}}]}`))
	h := newFakeHost()
	for _, c := range p.clients {
		c.host, c.log.host, c.log.failures.host = h, h, h
	}
	want := []string{"idp.dns:80 (global part, rule 1, rule 3, client common)", "idp.dns:80 (rule 2, client second)"}
	if len(p.clients) != len(want) {
		t.Fatalf("got %d clients, expected %d", len(p.clients), len(want))
	}
	for i, c := range p.clients {
		h.lines = nil
		fetchOnce(t, c, h, nil, body(401, `{"error": "invalid_client"}`))
		fetchOnce(t, c, h, nil, body(200, `{"access_token": "t1", "expires_in": 60}`))
		lines := []string{
			"token service " + want[i] + " answered 401 (invalid_client); requests without a token are answered 500",
			"token service " + want[i] + " recovered after 1 failure in 0s",
			"token service " + want[i] + " answered 200 with a token that lives 1m0s (expires_in) in 0 ms",
		}
		if !slices.Equal(h.lines, lines) {
			t.Errorf("got %q, expected %q", h.lines, lines)
		}
	}
}

// All workers and the main thread start, one says so; and once more for another configuration.
func testStartIsLoggedOnce(t *testing.T) {
	started := func(lines []string) (n int) {
		for _, line := range lines {
			if strings.HasPrefix(line, "[token-fetch] ") && strings.HasSuffix(line, " starts with 0 rules") {
				n++
			}
		}
		return n
	}
	configuration := extended(fmt.Sprintf(`"timeout": %d`, 501))
	host := start(t, configuration)
	defer host.Reset()
	if status := host.StartPlugin(); status != types.OnPluginStartStatusOK {
		t.Fatalf("the plugin does not start again: %q", host.GetErrorLogs())
	}
	if info, debug := started(host.GetInfoLogs()), started(host.GetDebugLogs()); info != 1 || debug != 1 {
		t.Errorf("got %d lines at level info and %d at debug, expected 1 and 1: %q", info, debug, host.GetInfoLogs())
	}
}
