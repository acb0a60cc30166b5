package hostile_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// virtualHosts are Envoy's, in the order in which the plugin has a rule for each: Envoy looks for an exact domain, then for the
// longest suffix, then for the longest prefix, and rules are tried in their order.
var virtualHosts = []struct{ name, domain string }{
	{"api", "api.example.com"},
	{"b", "b.com"},
	{"dot", "dot.com."},
	{"v6", "[::1]"},
	{"port", "port.example.com:8080"},
	{"port-of-b", "b.com:8443"},
	{"ports", "ports.example.com:*"},
	{"deep", "*.x.a.com"},
	{"dash", "*-in.a.com"},
	{"suffix", "*.a.com"},
	{"www", "www.*"},
	{"long", "long-prefix*"},
}

// hostSettings are what an Envoy may do with ports and dots before it compares hosts. Only where it ignores ports are there
// requests for other hosts as well: see docs/security.md, and TestHostsThatEnvoyTellsApart.
var hostSettings = map[string]struct {
	manager     map[string]any // fields of the HTTP connection manager
	ignorePorts bool           // of the route configuration
}{
	"ports count":                  {},
	"ignore_port_in_host_matching": {ignorePorts: true},
	"strip_any_host_port":          {manager: map[string]any{"strip_any_host_port": true}},
	"strip_any_host_port, ignored": {manager: map[string]any{"strip_any_host_port": true}, ignorePorts: true},
	"strip_matching_host_port":     {manager: map[string]any{"strip_matching_host_port": true}},
	"strip_trailing_host_dot":      {manager: map[string]any{"strip_trailing_host_dot": true}},
}

// TestHosts sends hosts, from a table and at random, through Envoys whose virtual hosts have the domains of the rules. Whatever
// reaches an upstream has the token of the rule of the virtual host that Envoy has chosen.
func TestHosts(t *testing.T) {
	for name, setting := range hostSettings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gateway := startWithHosts(t, setting.manager, setting.ignorePorts)
			_, port, _ := net.SplitHostPort(strings.TrimPrefix(gateway.URL, "http://"))
			checks := &hostChecks{h1: http1Client{gateway: gateway}, h2: http2Client{gateway: gateway}, changesHosts: setting.manager != nil}
			for _, host := range append(hostTable(), "b.com:"+port, "x.a.com:"+port, "api.example.com:0"+port) {
				checks.send(t, host, len(hostWays))
			}
			random := rand.New(rand.NewPCG(1, uint64(len(name))))
			for range 300 {
				checks.send(t, randomHost(random), 2)
			}
			gateway.WaitCounter(t, "authorities_refused", checks.refused)
			if checks.reached < 100 || checks.refused < 100 {
				t.Errorf("%d requests reached an upstream, and the plugin refused %d: want hundreds of both", checks.reached, checks.refused)
			}
		})
	}
}

// startWithHosts runs a gateway whose virtual hosts add their names to requests, as the plugin adds the rule's to the token.
func startWithHosts(t *testing.T, manager map[string]any, ignorePorts bool) *harness.Gateway {
	t.Helper()
	var rules, hosts []any
	for _, host := range virtualHosts {
		if ignorePorts && (strings.Contains(host.domain, ":8") || strings.HasSuffix(host.domain, "*")) {
			continue // see docs/security.md
		}
		domains := []string{host.domain}
		if isExact := strings.HasSuffix(host.domain, "]") || !strings.ContainsAny(host.domain, "*:"); isExact && !ignorePorts {
			domains = append(domains, host.domain+":*")
		}
		hosts = append(hosts, virtualHost(host.name, domains...))
		rules = append(rules, map[string]any{"_match_domain_": []string{host.domain}, "requestPath": "/" + host.name})
	}
	if ignorePorts {
		hosts = append(hosts, virtualHost("none", "*"))
	}
	gateway := harness.Start(t, harness.Options{
		Config:       tokensByPath(map[string]any{"requestPath": "/none", "cache": map[string]any{}, "_rules_": rules}),
		VirtualHosts: hosts,
		IgnorePorts:  ignorePorts,
		Manager:      harness.Merge(map[string]any{"delayed_close_timeout": "0s", "http_protocol_options": map[string]any{"accept_http_10": true}}, manager),
		Details:      true,
	})
	gateway.Token.Handle(answerPath)
	return gateway
}

// tokensByPath is a configuration whose tokens are the paths of their calls, answered by answerPath.
func tokensByPath(more harness.Config) harness.Config { return harness.PlainConfig(more) }

func answerPath(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Token", strings.TrimPrefix(r.URL.Path, "/"))
}

// TestHostsThatEnvoyTellsApart checks what docs/security.md says about Envoy and ports, which the plugin can't find out. If an
// Envoy behaves differently, update the page.
func TestHostsThatEnvoyTellsApart(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		manager     map[string]any
		ignorePorts bool
		host        string
		of, token   string // the virtual host, and the rule
	}{
		{"a port that counts", nil, false, "b.com:80", "none", "b"},
		{"a port that counts, of a suffix", nil, false, "x.a.com:80", "none", "suffix"},
		{"a port that is stripped", map[string]any{"strip_any_host_port": true}, false, "b.com:80", "b", "b"},
		{"a second port", map[string]any{"strip_any_host_port": true}, false, "b.com:80:80", "none", "b"},
		{"a port that is ignored", nil, true, "b.com:80", "b", "b"},
		{"a second port that is stripped, and one ignored", map[string]any{"strip_any_host_port": true}, true, "b.com:80:80", "b", "b"},
		{"the prefix itself", nil, true, "www.:80", "none", "www"},
	}
	hosts := []any{virtualHost("b", "b.com"), virtualHost("suffix", "*.a.com"), virtualHost("www", "www.*"), virtualHost("none", "*")}
	var rules []any
	for _, rule := range [][2]string{{"b", "b.com"}, {"suffix", "*.a.com"}, {"www", "www.*"}} {
		rules = append(rules, map[string]any{"_match_domain_": []string{rule[1]}, "requestPath": "/" + rule[0]})
	}
	gateways := map[string]*harness.Gateway{}
	for _, test := range tests {
		key := fmt.Sprint(test.manager, test.ignorePorts)
		if gateways[key] == nil {
			gateways[key] = harness.Start(t, harness.Options{VirtualHosts: hosts, IgnorePorts: test.ignorePorts, Manager: test.manager,
				Config: tokensByPath(map[string]any{"requestPath": "/none", "_rules_": rules})})
			gateways[key].Token.Handle(answerPath)
		}
		h1 := http1Client{gateway: gateways[key]}
		answer := h1.send(t, "GET / HTTP/1.1\r\nHost: "+test.host+forgedRest)
		if of, tokens := receivedBy(t, answer); of != test.of || !slices.Equal(tokens, []string{test.token}) {
			t.Errorf("%s: %s: the virtual host %s got the tokens %q, want %s and the one of %s", test.name, test.host, of, tokens, test.of, test.token)
		}
	}
}

// receivedBy is the virtual host that Envoy has chosen, and the tokens that its upstream has received.
func receivedBy(t *testing.T, got answer) (virtualHost string, tokens []string) {
	t.Helper()
	var received http.Header
	if err := json.Unmarshal([]byte(got.body), &received); err != nil {
		t.Fatalf("the upstream says %q, status %d, %s", got.body, got.status, got.details)
	}
	return received.Get("X-Virtual-Host"), received.Values("X-Token")
}

func virtualHost(name string, domains ...string) map[string]any {
	return map[string]any{
		"name": name, "domains": domains,
		"routes": []any{map[string]any{"name": "route-" + name, "match": map[string]any{"prefix": "/"},
			"route": map[string]any{"cluster": "outbound|80||upstream.dns"}}},
		"request_headers_to_add": []any{map[string]any{"header": map[string]any{"key": "X-Virtual-Host", "value": name},
			"append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}},
	}
}

// hostWays are the ways to say a host. The first two are the plain ones; with the others, the host that counts may be
// another, or several.
var hostWays = []struct {
	name    string
	isPlain bool
	send    func(t *testing.T, c *hostChecks, host string) answer
}{
	{"Host", true, func(t *testing.T, c *hostChecks, host string) answer {
		return c.h1.send(t, "GET / HTTP/1.1\r\nHost: "+host+forgedRest)
	}},
	{":authority", true, func(t *testing.T, c *hostChecks, host string) answer {
		return c.h2.send(t, forgedFields([2]string{":authority", host}), "")
	}},
	{"host in HTTP/2", true, func(t *testing.T, c *hostChecks, host string) answer {
		return c.h2.send(t, append(forgedFields(), [2]string{"host", host}), "")
	}},
	{"HTTP/1.0", true, func(t *testing.T, c *hostChecks, host string) answer {
		return c.h1.send(t, "GET / HTTP/1.0\r\nHost: "+host+forgedRest)
	}},
	{"absolute form", false, func(t *testing.T, c *hostChecks, host string) answer {
		return c.h1.send(t, "GET http://"+host+"/ HTTP/1.1\r\nHost: api.example.com"+forgedRest)
	}},
	{"second Host", false, func(t *testing.T, c *hostChecks, host string) answer {
		return c.h1.send(t, "GET / HTTP/1.1\r\nHost: api.example.com\r\nHost: "+host+forgedRest)
	}},
	{":authority and host", false, func(t *testing.T, c *hostChecks, host string) answer {
		return c.h2.send(t, append(forgedFields([2]string{":authority", "api.example.com"}), [2]string{"host", host}), "")
	}},
}

// forgedRest is what follows a host: a token that must not pass.
const forgedRest = "\r\nX-Token: forged\r\nX-Virtual-Host: forged\r\n\r\n"

func forgedFields(more ...[2]string) [][2]string {
	return slices.Concat([][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}}, more, [][2]string{{"x-token", "forged"}, {"x-virtual-host", "forged"}})
}

// hostChecks sends hosts to a gateway, and says what has become of them.
type hostChecks struct {
	h1               http1Client
	h2               http2Client
	changesHosts     bool // Envoy does, before the plugin sees them
	reached, refused int
}

// send says the host in the first so many ways.
func (c *hostChecks) send(t *testing.T, host string, ways int) {
	t.Helper()
	for _, way := range hostWays[:ways] {
		said := host
		if strings.HasPrefix(way.name, "H") {
			said = strings.Trim(host, " \t") // HTTP/1 knows no blanks around a value
		}
		c.check(t, fmt.Sprintf("%s: %.100q", way.name, host), isHostOrPort(said), way.isPlain, way.send(t, c, host))
	}
}

func (c *hostChecks) check(t *testing.T, name string, isHost, isPlain bool, got answer) {
	t.Helper()
	switch got.status {
	case http.StatusOK:
		c.reached++
		of, tokens := receivedBy(t, got)
		if !slices.Equal(tokens, []string{of}) {
			t.Errorf("%s: the virtual host %s got the tokens %q, want its own", name, of, tokens)
		}
		if isPlain && !isHost && !c.changesHosts {
			t.Errorf("%s: reached an upstream, want it refused", name)
		}
	case http.StatusBadRequest:
		if got.details != "token_fetch.bad_authority" {
			break // Envoy's own
		}
		c.refused++
		if isPlain && isHost {
			t.Errorf("%s: refused", name)
		}
	case http.StatusNotFound: // no virtual host, and nothing has received a token
	case 0, http.StatusForbidden, http.StatusNotImplemented:
	default:
		t.Errorf("%s: answered %d %s", name, got.status, got.details)
	}
}

var nameAndPort = regexp.MustCompile(`^(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?|\[([0-9A-Fa-f:.]+)\])(?::[0-9]+)?$`)

func isHostOrPort(host string) bool {
	match := nameAndPort.FindStringSubmatch(host)
	if match == nil || len(host) > 255 {
		return false
	}
	if match[1] == "" {
		return true
	}
	address, err := netip.ParseAddr(match[1])
	return err == nil && address.Is6()
}

// hostTable has good hosts, and what could be taken for another.
func hostTable() []string {
	hosts := []string{
		"", " ", "\t", ":", ":80", ".", "..", "a", "*", "*.a.com", "www.*", "[", "]", "[]", "[]:80",
		"x:1.a.com", "b.com:x.a.com", "b.com:1.a.com", "b.com:.a.com", ".a.com", "-in.a.com", "x-in.a.com", "x-in.a.com:80", "www.", "www.:80", "www.x", "long-prefix", "long-prefix:80", "long-prefixes",
		"x.x.a.com", "x.a.com", "y.x.a.com:1", "a.com", "a.com:80", "xa.com", "dot.com", "dot.com.", "dot.com.:80", "x.a.com.", "x.a.com.:80",
		"port.example.com", "port.example.com:8080", "port.example.com:80", "port.example.com:08080", "ports.example.com", "ports.example.com:1", "b.com:8443", "b.com:8444",
		"[::1]", "[::1]:80", "[::1]:", "[::1]:x", "[::1]:80:80", "[0:0:0:0:0:0:0:1]", "::1", "::1:80", "[::1", "[::1%25lo]:80", "[::1].a.com", "[::1]:1.a.com", "[v1.a.com]",
		"api.example.com@b.com", "b.com@api.example.com", "user:1@api.example.com", "user@b.com:80", "b.com:80@x.a.com",
		"b.com,x.a.com", "b.com, x.a.com", "b.com;x.a.com", "b.com x.a.com", "b.com\tx.a.com", "b.com/x.a.com", "b.com\\x.a.com", "b.com?x.a.com", "b.com#x.a.com", "http://b.com", "//b.com",
		"b%2ecom", "b%2Ecom", "%62.com", "b.com%00", "b.com%20", "b.com%3a80", "b.com\x00", "b.com\x7f", "b.com\x80", "b\xc2\xb7com", "b。com", "ｂ.com", "b.cöm", "\u212a.com", "xn--bcher-kva.com",
		"b..com", "b.com..", "..b.com", "b.com:99999999999999999999", "b.com:-80", "b.com:+80", "b.com:0x50", "b.com:80 ", "b.com: 80", "b.com:8 0", "b.com:٨٠",
		strings.Repeat("a", 245) + ".a.com", strings.Repeat("a", 300) + ".a.com", strings.Repeat("x.", 20_000) + "a.com", "b.com:" + strings.Repeat("8", 300), "b.com:" + strings.Repeat("0", 300) + "8443",
	}
	for _, host := range virtualHosts {
		name := strings.ReplaceAll(host.domain, "*", "wild")
		for _, suffix := range []string{"", ":", ":80", ":443", ":8080", ":8443", ":65536", ":80:80", ":80:8080", ":x", ":x.a.com", ":80.a.com", ".", ".:80", "..", ".:", " ", "@b.com", ",b.com", "%", "/"} {
			hosts = append(hosts, name+suffix, strings.ToUpper(name+suffix))
		}
	}
	return hosts
}

// hostPieces are what hosts are made of at random.
var hostPieces = slices.Concat(
	[]string{"a", "b", "com", "example", "api", "port", "ports", "x", "www", "in", "long-prefix", "dot", "a.com", "b.com", "x.a.com", "api.example.com", "port.example.com", "[::1]", "::1"},
	strings.Split(`.......::::::--__@%,;/\?#*~!$&'()+=[] `, ""),
	[]string{"0", "1", "80", "8080", "8443", "443", "%2e", "%3a", "%00", "\t", "\x01", "\x7f", "\x80", "é", "。"},
)

func randomHost(random *rand.Rand) string {
	var host strings.Builder
	if random.IntN(2) == 0 { // like one of those that there are
		host.WriteString(strings.ReplaceAll(virtualHosts[random.IntN(len(virtualHosts))].domain, "*", hostPieces[random.IntN(len(hostPieces))]))
	}
	for range random.IntN(4) {
		host.WriteString(hostPieces[random.IntN(len(hostPieces))])
	}
	text := host.String()
	if random.IntN(8) == 0 {
		text = strings.ToUpper(text)
	}
	return text
}
