package harness

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// server is an HTTP server on a port of its own that can go away and come back there.
type server struct {
	address string
	handler http.Handler

	mu      sync.Mutex   // guards running
	running *http.Server // nil while stopped
}

func startServer(t testing.TB, handler http.Handler) *server {
	t.Helper()
	s := &server{address: "127.0.0.1:0", handler: handler}
	s.resume(t)
	t.Cleanup(s.stop)
	return s
}

// stop refuses new connections and cuts those that are open.
func (s *server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		s.running.Close()
		s.running = nil
	}
}

func (s *server) resume(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return
	}
	listener, err := listen(s.address)
	if err != nil {
		t.Fatalf("test server: %v", err)
	}
	s.address = listener.Addr().String()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s.running = &http.Server{Handler: s.handler, ReadHeaderTimeout: time.Minute, Protocols: protocols}
	go func(running *http.Server) {
		if err := running.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("test server: %v", err)
		}
	}(s.running)
}

// listen tries again for a while: a port that was just given up may have been
// lent to somebody's outgoing connection.
func listen(address string) (net.Listener, error) {
	deadline := time.Now().Add(Limit)
	for {
		listener, err := net.Listen("tcp", address)
		if err == nil || time.Now().After(deadline) {
			return listener, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// cluster is the cluster entry that points at the server.
func (s *server) cluster(name string) cluster {
	address, err := net.ResolveTCPAddr("tcp", s.address)
	if err != nil {
		panic(err) // the address came from a listener
	}
	return cluster{Name: name, Host: address.IP.String(), Port: address.Port, Limit: noLimit}
}
