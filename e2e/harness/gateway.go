// Package harness runs the built plugin in a real Envoy for end-to-end tests: a
// gateway on free ports, a token service whose answers the test sets, and an
// upstream that records what it received.
package harness

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/envoy"
)

// Service names for plugin configurations, all with the default servicePort 80
// but DeadName.
const (
	TokenName   = "token.static"   // the gateway's TokenService
	LimitedName = "limited.static" // the same, but its cluster allows one request at a time
	EmptyName   = "empty.static"   // a cluster without endpoints
	DeadName    = "dead.static"    // refuses connections
	DeadPort    = 8080             // servicePort of DeadName
)

// DetailsHeader is in every answer that Envoy itself makes, with Options.Details.
const DetailsHeader = "X-Details"

// logLines is how much of Envoy's log a failed test prints.
const logLines = 60

// readyLimit bounds Envoy's start, most of which is V8's compilation of the plugin: on a busy
// machine it takes ten times as long as on a quiet one.
const readyLimit = 3 * time.Minute

// Options say how a gateway is run; only Config is needed by most tests.
type Options struct {
	Config        any               // plugin configuration: a string or []byte is passed unchanged, another value as JSON
	Workers       int               // worker threads; 0 means one
	Env           map[string]string // environment variables of the VM
	Envoy         string            // version of Envoy; the one of envoy.Find when empty
	HostEnv       []string          // names of Envoy's environment variables that the VM has too
	Wasm          string            // path of the plugin; main.wasm of this repository when empty
	WasmLog       string            // level of the wasm component; "debug" when empty
	VMID          string            // vm_id, which names the space of shared data
	FailOpen      bool              // the filter's failure_policy is FAIL_OPEN: requests pass a plugin whose VM has died
	FailReload    bool              // it is FAIL_RELOAD: Envoy replaces a dead VM
	StreamIdle    time.Duration     // Envoy's stream_idle_timeout, which also ends requests that the plugin never lets go on; 0 means none
	ECDS          bool              // the plugin's configuration comes by ECDS, as Istio and Higress send it: an update leaves the connections alone
	SetClock      bool              // the wall clock of Envoy can be set; needs a C compiler
	HTTP2Upstream bool              // the gateway speaks HTTP/2 with the upstream, so that trailers reach it
	Drain         time.Duration     // how long requests may stay with a replaced configuration, in whole seconds; 0: they are cut at once
	Token         *TokenService     // a new one when nil
	Sink          *Sink             // in place of the Upstream, for thousands of requests at once
	Details       bool              // answers of Envoy itself tell their response code details in DetailsHeader
	AccessLog     string            // format of the lines that Envoy writes to its log for each request, the line end included; none when empty
	VirtualHosts  []any             // of the route configuration, in place of the harness' own
	IgnorePorts   bool              // its ignore_port_in_host_matching
	FirstFilters  []any             // HTTP filters before the plugin
	Filters       []any             // HTTP filters between the plugin and the router
	Manager       map[string]any    // fields of the HTTP connection manager in place of the harness' own, or in addition
	Services      []Service         // additional services, or replacements for the harness' own
	Place         Place             // of the plugin; before the router when empty
}

// Place is where in Envoy's filter chains the plugin is.
type Place string

// Places besides the HTTP filters, where the plugin runs once for a request. As an upstream filter it runs for each attempt.
const (
	InRouter     Place = "router"  // upstream_http_filters of the router
	InCluster    Place = "cluster" // http_filters of the upstreams' clusters
	InBothChains Place = "both"    // HTTP filters, and upstream_http_filters
)

// Gateway is an Envoy that runs the plugin before an upstream. Its routes are
// named route-a (path prefix /a), route-b (/b) and default (all else). The first
// leads to the service upstream-a.dns, the others to upstream.dns, both with
// port 80, and both are the same Upstream. More are answered by Envoy at once:
// cut (/cut) with 503, as its cluster's circuit breaker is open, direct
// (/direct) with 200, and so chosen-by-token (/chosen, with an X-Token that
// begins with token) and chosen (/chosen without).
type Gateway struct {
	URL      string // http://127.0.0.1:PORT
	Token    *TokenService
	Upstream *Upstream

	options Options
	process *envoy.Process
	files   files
	secrets secretWatch
	clock   wallClock
	clients clients
}

// Start runs a gateway until the test ends. It returns when every worker has
// started the plugin, and fails the test when Envoy refuses it.
func Start(t testing.TB, options Options) *Gateway {
	t.Helper()
	g := launch(t, options)
	address, err := g.process.ListenerAddress("gateway")
	if err != nil {
		t.Fatalf("the gateway has no listener: %v", err)
	}
	g.URL = "http://" + address
	return g
}

// StartTraced is Start with the plugin's log at trace level, unless the options say otherwise, so that it says all it can
// say when it is searched for SecretMark.
func StartTraced(t testing.TB, options Options) *Gateway {
	t.Helper()
	if options.WasmLog == "" {
		options.WasmLog = "trace"
	}
	return Start(t, options)
}

// StartRefused starts a gateway whose plugin must not start, and returns Envoy's
// log for the test to look for the reason in.
//
// Envoy tries a configuration on its main thread before any worker sees it. One
// that fails is refused with the listener that holds it, whatever FailOpen says:
// from LDS, as here, Envoy runs on without that listener (after an update: with
// the listener it had); in a bootstrap file Envoy ends with exit status 1.
func StartRefused(t testing.TB, options Options) (log string) {
	t.Helper()
	g := launch(t, options)
	if address, err := g.process.ListenerAddress("gateway"); err == nil {
		t.Fatalf("the plugin started, and serves on %s", address)
	}
	if refused := g.Stat(t, "listener_manager.lds.update_rejected"); refused != "1" {
		t.Fatalf("listener_manager.lds.update_rejected is %q, want 1", refused)
	}
	return g.refusalLog(0)
}

func launch(t testing.TB, options Options) *Gateway {
	t.Helper()
	g := newGateway(t, options)
	if options.SetClock {
		g.clock = newWallClock(t, g.files.dir)
	}
	if err := g.files.write(g.options, g.withServices(g.clusters()), g.tokenClusters(true)); err != nil {
		t.Fatal(err)
	}
	process, err := envoy.Start(envoy.Options{
		Binary:      binary(t, options.Envoy),
		Config:      g.files.bootstrap(),
		Concurrency: options.Workers,
		WasmLog:     options.WasmLog,
		Ready:       readyLimit,
		Output:      &g.secrets,
		ExtraArgs:   append(g.drainArguments(), "--file-flush-interval-msec", "100"), // of the access log: 10 s by default
		ExtraEnv:    g.clock.environment(),
	})
	if err != nil {
		t.Fatal(err)
	}
	g.process = process
	t.Cleanup(func() { g.stop(t) })
	return g
}

// newGateway fills in what the options leave out.
func newGateway(t testing.TB, options Options) *Gateway {
	t.Helper()
	if options.Wasm == "" {
		options.Wasm = Wasm(t)
	}
	if options.Token == nil {
		options.Token = NewTokenService(t)
	}
	return &Gateway{
		Token:    options.Token,
		Upstream: newUpstream(t),
		options:  options,
		files:    files{dir: filepath.Clean(t.TempDir())},
	}
}

func (g *Gateway) clusters() []cluster {
	upstream := func(name string) cluster {
		if g.options.Sink != nil {
			return g.options.Sink.cluster(name)
		}
		c := g.Upstream.cluster(name)
		c.HTTP2 = g.options.HTTP2Upstream
		return c
	}
	cut, limited := upstream("outbound|80||cut.dns"), g.Token.cluster("outbound|80||limited.static")
	// With 0 and 1, a worker knows at once that no request more can go out.
	cut.Limit, limited.Limit = 0, 1
	main, other := upstream("outbound|80||upstream.dns"), upstream("outbound|80||upstream-a.dns")
	if g.options.Place == InCluster {
		plugin, err := g.options.plugin()
		if err != nil {
			panic(err) // the test's own configuration
		}
		filters := withCodec(map[string]any{"name": "token-fetch", "typed_config": plugin})
		main.Filters, other.Filters = filters, filters
	}
	return []cluster{
		main,
		other,
		cut,
		limited,
		// Port 1 is reserved, and nothing listens there.
		{Name: "outbound|8080||dead.static", Host: "127.0.0.1", Port: 1, Limit: noLimit},
		{Name: "outbound|80||empty.static", Limit: noLimit},
	}
}

// tokenClusters are those that come by CDS.
func (g *Gateway) tokenClusters(present bool) []cluster {
	if !present {
		return nil
	}
	if replaced, found := g.service(TokenName); found {
		return []cluster{replaced}
	}
	return []cluster{g.Token.cluster("outbound|80||token.static")}
}

// binary is the path of an Envoy of that version, or of the one that is tested with when it is empty.
func binary(t testing.TB, version string) string {
	t.Helper()
	progress := func(message string) { t.Log(message) }
	find := envoy.Find
	if version != "" {
		find = func(root string, progress func(string)) (string, error) {
			return envoy.Install(t.Context(), root, version, progress)
		}
	}
	path, err := find(Root(t), progress)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func (g *Gateway) stop(t testing.TB) {
	t.Helper()
	g.CheckNoSecrets(t)
	if err := g.process.Stop(); err != nil {
		t.Errorf("envoy ended by itself: %v", err)
	}
	if t.Failed() {
		t.Logf("the end of Envoy's log:\n%s", g.process.LogTail(logLines))
	}
}

// PID is Envoy's process id, for measuring it.
func (g *Gateway) PID() int { return g.process.PID() }

// Log is all that Envoy has logged so far.
func (g *Gateway) Log() string { return g.process.Log() }

// LogContains reports whether Envoy has logged the text.
func (g *Gateway) LogContains(text string) bool { return strings.Contains(g.Log(), text) }
