package faults

import (
	"io"
	"net/http"
	"strings"
	"time"
)

// reachedHeader is in every answer of the upstream.
const reachedHeader = "X-Reached"

// serveUpstream is the upstream's handler. It notes which token each request had.
func (l *ledger) serveUpstream(w http.ResponseWriter, r *http.Request) {
	entry := l.request(r.Header.Get(idHeader))
	if entry == nil {
		l.violate("a request that was never sent", "%s %s", r.Method, r.URL)
		return
	}
	l.reached(entry, r.Header.Values(entry.rule.header))
	w.Header().Set(reachedHeader, "yes")
	switch {
	case r.Header.Get("Upgrade") == "websocket":
		echo(w)
		return
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc"):
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		defer w.Header().Set("Grpc-Status", "0")
	}
	_, err := io.Copy(io.Discard, r.Body)
	if err == nil && len(r.Trailer.Values(entry.rule.header)) > 0 {
		l.violate("a protected header as a trailer", "%s has the trailers %v", entry, r.Trailer)
	}
	_, _ = io.WriteString(w, "the upstream")
}

func (l *ledger) reached(entry *request, tokens []string) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !entry.reachedAt.IsZero() {
		l.violateLocked("a request sent twice", "%s", entry)
	}
	entry.reachedAt, entry.values, entry.token = now, len(tokens), strings.Join(tokens, " and ")
	if issue := l.tokens[strings.TrimPrefix(entry.token, entry.rule.prefix)]; issue != nil {
		issue.usedTimes++
	}
}

// echo switches protocols and sends back what it gets.
func echo(w http.ResponseWriter) {
	connection, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer connection.Close()
	_, _ = io.WriteString(connection, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+reachedHeader+": yes\r\n\r\n")
	_, _ = io.Copy(connection, buffered)
}
