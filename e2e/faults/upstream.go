package faults

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// reachedHeader is in every answer of the upstream.
const reachedHeader = "X-Reached"

// upstream is behind the gateway. It notes which token each request had.
type upstream struct {
	ledger  *ledger
	address string
}

func startUpstream(t testing.TB, l *ledger) *upstream {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{ledger: l, address: listener.Addr().String()}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: u, Protocols: protocols, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	return u
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	entry := u.ledger.request(r.Header.Get(idHeader))
	if entry == nil {
		u.ledger.violate("a request that nobody sent", "%s %s", r.Method, r.URL)
		return
	}
	u.see(entry, r)
	w.Header().Set(reachedHeader, "yes")
	switch {
	case r.Header.Get("Upgrade") == "websocket":
		u.upgrade(w)
		return
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc"):
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		defer w.Header().Set("Grpc-Status", "0")
	}
	_, err := io.Copy(io.Discard, r.Body)
	if err == nil && len(r.Trailer.Values(entry.rule.header)) > 0 {
		u.ledger.violate("a protected header as a trailer", "%s has the trailers %v", entry, r.Trailer)
	}
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, "the upstream")
}

// see notes the request unchanged.
func (u *upstream) see(entry *request, r *http.Request) {
	now, values := time.Now(), r.Header.Values(entry.rule.header)
	u.ledger.mu.Lock()
	defer u.ledger.mu.Unlock()
	if !entry.reachedAt.IsZero() {
		u.ledger.violateLocked("a request sent twice", "%s", entry)
	}
	entry.reachedAt, entry.values, entry.token = now, len(values), strings.Join(values, " and ")
	if issue := u.ledger.tokens[strings.TrimPrefix(entry.token, entry.rule.prefix)]; issue != nil {
		issue.usedTimes++
	}
}

// upgrade switches protocols and sends back what it gets.
func (u *upstream) upgrade(w http.ResponseWriter) {
	connection, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer connection.Close()
	_, _ = io.WriteString(connection, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+reachedHeader+": yes\r\n\r\n")
	_, _ = io.Copy(connection, bufio.NewReader(buffered))
}
