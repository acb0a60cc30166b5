package hostile_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"token-fetch/e2e/harness"
)

const clusterA, clusterB = "outbound|80||upstream-a.dns", "outbound|80||upstream.dns"

// upstreams are A and B, the first with two hosts. Each answers with its name and the headers that it has received.
type upstreams struct {
	services []harness.Service
	failing  atomic.Int32 // so many requests more are answered 503
	mirrored chan http.Header
}

func startUpstreams(t *testing.T) *upstreams {
	t.Helper()
	u := &upstreams{mirrored: make(chan http.Header, 1)}
	start := func(name string) *harness.Server {
		return harness.Serve(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.Host, "-shadow") {
				u.mirrored <- r.Header.Clone()
				return
			}
			if u.failing.Add(-1) >= 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			if to := r.Header.Get("X-Redirect-To"); to != "" && r.URL.Path == "/redirect" {
				w.Header().Set("Location", to)
				w.WriteHeader(http.StatusFound)
				return
			}
			r.Header.Set("X-Upstream", name)
			_ = json.NewEncoder(w).Encode(r.Header)
		})
	}
	u.services = []harness.Service{start("A").Service("upstream-a.dns"), start("B").Service("upstream.dns")}
	return u
}

// startRouting runs a gateway with a route for each way in which Envoy comes to a cluster, and with rules by cluster whose
// tokens are named like the upstreams.
func startRouting(t *testing.T, u *upstreams) *harness.Gateway {
	t.Helper()
	route := func(name string, action map[string]any) any {
		return map[string]any{"name": name, "match": map[string]any{"prefix": "/" + name}, "route": action}
	}
	both := []any{map[string]any{"name": clusterA, "weight": 50}, map[string]any{"name": clusterB, "weight": 50}}
	half := map[string]any{"default_value": map[string]any{"numerator": 50}}
	routes := []any{
		route("cluster-header", map[string]any{"cluster_header": "x-cluster"}),
		route("weighted", map[string]any{"weighted_clusters": map[string]any{"clusters": both}}),
		route("header-weighted", map[string]any{"weighted_clusters": map[string]any{"clusters": both, "header_name": "x-weight"}}),
		map[string]any{"name": "fraction", "match": map[string]any{"prefix": "/fraction", "runtime_fraction": half}, "route": map[string]any{"cluster": clusterA}},
		map[string]any{"name": "versioned", "match": map[string]any{"prefix": "/versioned", "headers": []any{map[string]any{"name": "x-version", "string_match": map[string]any{"exact": "a"}}}},
			"route": map[string]any{"cluster": clusterA}},
		route("retried", map[string]any{"cluster": clusterA, "retry_policy": map[string]any{"retry_on": "5xx", "num_retries": 2}}),
		route("mirrored", map[string]any{"cluster": clusterA, "request_mirror_policies": []any{map[string]any{"cluster": clusterB}}}),
		route("rewritten", map[string]any{"cluster": clusterA, "prefix_rewrite": "/", "host_rewrite_literal": "other.com"}),
		route("redirect", map[string]any{"cluster": clusterA, "internal_redirect_policy": map[string]any{}}),
		map[string]any{"name": "removing", "match": map[string]any{"prefix": "/removing"}, "request_headers_to_remove": []string{"X-Token"}, "route": map[string]any{"cluster": clusterB}},
		route("", map[string]any{"cluster": clusterB}),
	}
	gateway := harness.Start(t, harness.Options{
		Services:     u.services,
		VirtualHosts: []any{map[string]any{"name": "all", "domains": []string{"*"}, "routes": routes}},
		Config: tokensByPath(harness.Config{"requestPath": "/none", "cache": harness.Config{}, "_rules_": []any{
			harness.Config{"_match_domain_": []string{"left-alone.com"}, "enabled": false},
			harness.Config{"_match_domain_": []string{"own.com"}, "overwrite": false, "requestPath": "/own"},
			harness.Config{"_match_domain_": []string{"other.com"}, "tokenHeader": "X-Other-Token", "responseHeader": "X-Token", "requestPath": "/other"},
			harness.Config{"_match_domain_": []string{"b.com"}, "requestPath": "/b.com"},
			harness.Config{"_match_service_": []string{"upstream-a.dns"}, "requestPath": "/A"},
			harness.Config{"_match_service_": []string{"upstream.dns"}, "requestPath": "/B"},
		}}),
	})
	gateway.Token.Handle(answerPath)
	return gateway
}

// clientHeaders are what a client could say of its route, or of what Envoy has done with the request.
var clientHeaders = []string{
	"X-Envoy-Original-Path: /cluster-header", "X-Envoy-Original-Url: http://b.com/", "X-Envoy-Original-Host: b.com", "X-Envoy-Internal: true",
	"X-Envoy-Retry-On: 5xx", "X-Envoy-Max-Retries: 9", "X-Envoy-Upstream-Alt-Stat-Name: x", "X-Envoy-Decorator-Operation: x", "X-Envoy-Upstream-Rq-Timeout-Ms: 5000",
	"X-Forwarded-Host: b.com", "X-Forwarded-Port: 1", "X-Original-Host: b.com", "X-Original-Url: /cluster-header", "X-Rewrite-Url: /cluster-header", "X-Host: b.com",
	"Forwarded: host=b.com", "X-Http-Method-Override: PUT", "Early-Data: 1",
}

func TestRulesFollowTheRoute(t *testing.T) {
	t.Parallel()
	u := startUpstreams(t)
	gateway := startRouting(t, u)
	t.Run("one cluster", func(t *testing.T) { checkChosenCluster(t, gateway) })
	t.Run("other hosts", func(t *testing.T) { checkOtherHosts(t, gateway, u) })
}

// checkChosenCluster: whatever a client says, and whichever cluster Envoy chooses, a rule by cluster is the one of the
// cluster that receives the request.
func checkChosenCluster(t *testing.T, gateway *harness.Gateway) {
	for _, test := range []struct {
		path    string
		headers []string
		times   int
		want    string // the upstream; empty: either
	}{
		{"/", nil, 1, "B"},
		{"/", clientHeaders, 1, "B"},
		{"/cluster-header", []string{"X-Cluster: " + clusterA}, 1, "A"},
		{"/cluster-header", []string{"X-Cluster: " + clusterB, "X-Cluster: " + clusterA}, 1, "B"},
		{"/versioned", []string{"X-Version: a"}, 1, "A"},
		{"/versioned", []string{"X-Version: b"}, 1, "B"},
		{"/weighted", nil, 40, ""},
		{"/weighted", clientHeaders, 40, ""},
		{"/header-weighted", []string{"X-Weight: 1"}, 1, "A"},
		{"/header-weighted", []string{"X-Weight: 99"}, 1, "B"},
		{"/fraction", nil, 40, ""},
		{"/rewritten", nil, 1, "A"},
	} {
		seen := map[string]int{}
		for range test.times {
			received := receivedFrom(t, gateway, "a.com", test.path, test.headers...)
			upstream, tokens := received.Get("X-Upstream"), received.Values("X-Token")
			seen[upstream]++
			if !slices.Equal(tokens, []string{upstream}) || test.want != "" && upstream != test.want {
				t.Errorf("%s %q: the upstream %s (want %q) received the tokens %q", test.path, test.headers, upstream, test.want, tokens)
			}
		}
		if test.times > 1 && len(seen) != 2 {
			t.Errorf("%s: went to %v, want both upstreams", test.path, seen)
		}
	}
}

// receivedFrom is what an upstream has received of a request that brings a forged token.
func receivedFrom(t *testing.T, gateway *harness.Gateway, host, path string, headers ...string) (received http.Header) {
	t.Helper()
	answer := gateway.Get(t, path, append([]string{"Host: " + host, "X-Token: forged"}, headers...)...)
	if err := json.Unmarshal([]byte(answer.Body), &received); err != nil {
		t.Fatalf("%s: answered %d %q", path, answer.Status, answer.Body)
	}
	return received
}

// checkOtherHosts is where a token goes besides the first host of its cluster: as docs/security.md says.
func checkOtherHosts(t *testing.T, gateway *harness.Gateway, u *upstreams) {
	t.Run("retries", func(t *testing.T) {
		u.failing.Store(2)
		if tokens := receivedFrom(t, gateway, "a.com", "/retried").Values("X-Token"); !slices.Equal(tokens, []string{"A"}) {
			t.Errorf("the third attempt had the tokens %q, want the cluster's", tokens)
		}
	})
	t.Run("mirror", func(t *testing.T) {
		receivedFrom(t, gateway, "a.com", "/mirrored")
		if tokens := (<-u.mirrored).Values("X-Token"); !slices.Equal(tokens, []string{"A"}) {
			t.Errorf("the mirror received the tokens %q, want the one of the request's own cluster", tokens)
		}
	})
	t.Run("internal redirects", func(t *testing.T) {
		for to, want := range map[string]struct{ token, other string }{
			"http://a.com/":                  {token: "B"},
			"http://b.com/":                  {token: "b.com"},
			"http://user@b.com/":             {token: "b.com"},
			"http://left-alone.com/":         {token: "A"}, // what is not protected
			"http://own.com/":                {token: "A"},
			"http://other.com/":              {token: "A", other: "other"},
			"http://left-alone.com/removing": {},
		} {
			received := receivedFrom(t, gateway, "a.com", "/redirect", "X-Redirect-To: "+to)
			token, other := received.Get("X-Token"), received.Get("X-Other-Token")
			if received.Get("X-Upstream") != "B" || token != want.token || other != want.other {
				t.Errorf("%s: the upstream %s received the token %q and the other %q, want %+v at B", to, received.Get("X-Upstream"), token, other, want)
			}
		}
		client := http1Client{gateway: gateway}
		for _, to := range []string{"http://b.com:x.a.com/", "http://b.com:80:80/", "http://b%2ecom/"} {
			got := client.send(t, "GET /redirect HTTP/1.1\r\nHost: a.com\r\nX-Redirect-To: "+to+"\r\n\r\n")
			if got.status != http.StatusFound && got.status != http.StatusBadRequest {
				t.Errorf("%s: answered %d %s, want the redirect, or 400", to, got.status, got.body)
			}
		}
	})
}
