package hostile_test

import (
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"token-fetch/e2e/harness"
)

// hopConfig protects X-Token and X-User.
func hopConfig(more harness.Config) harness.Config {
	return harness.PlainConfig(harness.Merge(harness.Config{"upstreamHeaders": map[string]any{"X-User": "header:X-User"}}, more))
}

func answerTokenAndUser(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("X-Token", "token-1")
	w.Header().Set("X-User", "user-1")
}

// hopRequests are sent with forged headers. What the next hop receives in Connection and Trailer is given; empty: no such
// field.
var hopRequests = map[string]struct {
	http1               string
	http2               [][2]string
	body                string
	connection, trailer string
}{
	"an upgrade":                 {http1: "GET / HTTP/1.1\r\nConnection: upgrade, x-token, X-User, x-other\r\nUpgrade: websocket\r\n", connection: "upgrade, x-other"},
	"an upgrade in capitals":     {http1: "GET / HTTP/1.1\r\nConnection: X-TOKEN,UPGRADE ,\tX-uSER\t\r\nUpgrade: websocket\r\n", connection: "UPGRADE"},
	"an upgrade in two lines":    {http1: "GET / HTTP/1.1\r\nConnection: x-token\r\nConnection: upgrade\r\nConnection: x-user\r\nUpgrade: websocket\r\n", connection: "upgrade"},
	"an upgrade with an end":     {http1: "GET / HTTP/1.1\r\nConnection: upgrade, x-token\r\nUpgrade: websocket\r\nContent-Length: 0\r\n", connection: "upgrade"},
	"an upgrade with a body":     {http1: "POST / HTTP/1.1\r\nConnection: upgrade, x-token\r\nUpgrade: websocket\r\nContent-Length: 3\r\n", body: "abc", connection: "upgrade"},
	"an upgrade that names none": {http1: "GET / HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n", connection: "keep-alive, Upgrade"},
	"an upgrade with a trailer":  {http1: "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\nTrailer: x-token\r\n", connection: "upgrade"},
	"an upgrade to h2c":          {http1: "GET / HTTP/1.1\r\nConnection: upgrade, http2-settings, x-token\r\nUpgrade: h2c\r\n"},
	"no upgrade":                 {http1: "GET / HTTP/1.1\r\nConnection: x-token, x-user\r\nUpgrade: websocket\r\n"},
	"other fields":               {http1: "GET / HTTP/1.1\r\nKeep-Alive: x-token\r\nProxy-Connection: x-token\r\nTE: x-token, trailers\r\nProxy-Authenticate: x\r\n"},
	"other fields and a body":    {http1: "POST / HTTP/1.1\r\nKeep-Alive: x-token\r\nProxy-Connection: x-token\r\nTE: x-token\r\nContent-Length: 3\r\n", body: "abc"},
	"a trailer":                  {http1: "POST / HTTP/1.1\r\nTrailer: x-token, x-a\r\nTrailer: X-User\r\nTrailer: x-b\r\nTransfer-Encoding: chunked\r\n", body: "0\r\n\r\n", trailer: "x-a, x-b"},
	"CONNECT":                    {http1: "CONNECT a.com:443 HTTP/1.1\r\nConnection: x-token\r\n"},
	"CONNECT with an upgrade":    {http1: "CONNECT a.com:443 HTTP/1.1\r\nConnection: upgrade, x-token\r\nUpgrade: websocket\r\n", connection: "upgrade"},

	"HTTP/2, CONNECT":               {http2: [][2]string{{":method", "CONNECT"}, {":authority", "a.com:443"}}, body: "abc"},
	"HTTP/2, extended CONNECT":      {http2: extendedConnect([2]string{"trailer", "x-token"}), body: "abc", connection: "upgrade"},
	"HTTP/2, extended, and ended":   {http2: extendedConnect(), connection: "upgrade"},
	"HTTP/2, a trailer":             {http2: [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a.com"}, {"trailer", "x-user, x-a"}, {"te", "trailers"}}, body: "abc", trailer: "x-a"},
	"HTTP/2, a trailer of one name": {http2: [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a.com"}, {"trailer", "x-user"}}, body: "abc"},
}

func extendedConnect(more ...[2]string) [][2]string {
	return append([][2]string{{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a.com"}}, more...)
}

// refusedHops are fields that HTTP/2 does not have. No upstream receives such a request.
var refusedHops = map[string][][2]string{
	"connection":                   {{"connection", "x-token"}},
	"connection, for an upgrade":   {{"connection", "upgrade, x-token"}, {"upgrade", "websocket"}},
	"connection, extended CONNECT": extendedConnect([2]string{"connection", "upgrade, x-token"}),
	"protocol, extended CONNECT":   {{":method", "CONNECT"}, {":protocol", "x-token, websocket"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a.com"}},
	"keep-alive":                   {{"keep-alive", "x-token"}},
	"proxy-connection":             {{"proxy-connection", "x-token"}},
	"transfer-encoding":            {{"transfer-encoding", "x-token"}},
	"te":                           {{"te", "x-token"}},
}

func startForHops(t *testing.T, config harness.Config, address string) *harness.Gateway {
	t.Helper()
	upgrades := []any{map[string]any{"upgrade_type": "websocket"}, map[string]any{"upgrade_type": "CONNECT"}}
	route := map[string]any{"cluster": "outbound|80||upstream.dns"}
	gateway := harness.Start(t, harness.Options{
		Config:   config,
		Services: []harness.Service{{Name: "upstream.dns", Address: address}},
		VirtualHosts: []any{map[string]any{"name": "all", "domains": []string{"*"}, "routes": []any{
			map[string]any{"match": map[string]any{"connect_matcher": map[string]any{}}, "route": route},
			map[string]any{"match": map[string]any{"prefix": "/"}, "route": route},
		}}},
		Manager: map[string]any{"upgrade_configs": upgrades, "http2_protocol_options": map[string]any{"allow_connect": true}, "delayed_close_timeout": "0s"},
		Details: true,
	})
	gateway.Token.Handle(answerTokenAndUser)
	return gateway
}

// TestHopByHop looks at what the next hop receives, whether or not it heeds it.
func TestHopByHop(t *testing.T) {
	t.Parallel()
	hop := startNextHop(t)
	gateway := startForHops(t, hopConfig(harness.Config{"cache": harness.Config{}}), hop.Address)
	for name, request := range hopRequests {
		t.Run(name, func(t *testing.T) {
			if request.http1 != "" {
				client := http1Client{gateway: gateway}
				client.send(t, request.http1+"Host: a.com:443\r\nX-Token: forged\r\nX-User: forged\r\n\r\n"+request.body)
			} else {
				client := http2Client{gateway: gateway}
				client.send(t, append(request.http2, [2]string{"x-token", "forged"}, [2]string{"x-user", "forged"}), request.body)
			}
			heads := hop.received()
			if len(heads) != 1 {
				t.Fatalf("the next hop received %v, want one request", heads)
			}
			received := heads[0]
			for field, want := range map[string]string{
				"X-Token": "token-1", "X-User": "user-1", "Connection": request.connection, "Trailer": request.trailer,
				"Keep-Alive": "", "Proxy-Connection": "",
			} {
				if got := strings.Join(received.Values(field), " | "); got != want {
					t.Errorf("the next hop received %s %q, want %q", field, got, want)
				}
			}
			if te := received.Get("Te"); te != "" && te != "trailers" {
				t.Errorf("the next hop received TE %q", te)
			}
		})
	}
	for name, fields := range refusedHops {
		t.Run("refused/"+name, func(t *testing.T) {
			if fields[0][0] != ":method" {
				fields = slices.Concat([][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a.com"}}, fields)
			}
			client := http2Client{gateway: gateway}
			if got := client.send(t, fields, ""); got.status == http.StatusOK {
				t.Errorf("answered %d, want the request refused", got.status)
			}
			if heads := hop.received(); len(heads) != 0 {
				t.Errorf("the next hop received %v", heads)
			}
		})
	}
}

// TestNextHopHeedsConnection has a proxy that does, as RFC 9110 demands, before the server that needs the token.
func TestNextHopHeedsConnection(t *testing.T) {
	t.Parallel()
	received := make(chan http.Header, 1)
	origin := harness.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		received <- r.Header.Clone()
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		w.WriteHeader(http.StatusSwitchingProtocols)
	})
	proxy := harness.Serve(t, httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: origin.Address}).ServeHTTP)
	gateway := startForHops(t, harness.ByHost(map[string]harness.Config{
		"uncached.com": hopConfig(nil),
		"cached.com":   hopConfig(harness.Config{"cache": harness.Config{}}),
	}), proxy.Address)
	client := http1Client{gateway: gateway}
	for _, host := range []string{"uncached.com", "cached.com", "cached.com"} { // by a call, and by the cache
		got := client.send(t, "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: Upgrade, X-Token, X-User\r\nUpgrade: websocket\r\n\r\n")
		if got.status != http.StatusSwitchingProtocols {
			t.Fatalf("%s: answered %d %s, want 101", host, got.status, got.details)
		}
		header := <-received
		if token, user := header.Get("X-Token"), header.Get("X-User"); token != "token-1" || user != "user-1" {
			t.Errorf("%s: the server received the token %q and the user %q, want both", host, token, user)
		}
	}
}

// nextHop records the heads of requests, with Trailer, which net/http takes off.
type nextHop struct {
	*harness.Server

	mu    sync.Mutex // guards heads
	heads []http.Header
}

func (n *nextHop) received() []http.Header {
	n.mu.Lock()
	defer n.mu.Unlock()
	heads := n.heads
	n.heads = nil
	return heads
}

func startNextHop(t *testing.T) *nextHop {
	t.Helper()
	n := &nextHop{}
	n.Server = harness.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		head := r.Header.Clone()
		if len(r.Trailer) > 0 {
			head.Set("Trailer", strings.ToLower(strings.Join(slices.Sorted(maps.Keys(r.Trailer)), ", ")))
		}
		n.mu.Lock()
		n.heads = append(n.heads, head)
		n.mu.Unlock()
		if upgrade := r.Header.Get("Upgrade"); upgrade != "" {
			w.Header().Set("Connection", "upgrade")
			w.Header().Set("Upgrade", upgrade)
			w.WriteHeader(http.StatusSwitchingProtocols)
		}
	})
	return n
}
