package harness

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Server is an HTTP server that can stop and restart on the same port. It speaks HTTP/1.1, and HTTP/2 without TLS.
type Server struct {
	Address string // host:port

	handler http.Handler
	mu      sync.Mutex   // guards running
	running *http.Server // nil while stopped
}

// Serve runs a server until the test ends.
func Serve(t testing.TB, handler http.HandlerFunc) *Server {
	t.Helper()
	s := &Server{handler: handler}
	s.Resume(t)
	t.Cleanup(s.Stop)
	return s
}

// Stop takes the server down: connections are refused, open ones are cut.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		s.running.Close()
		s.running = nil
	}
}

// Resume brings a stopped server back on the same port.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return
	}
	listener := s.listen(t)
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

// listen uses a port below the ephemeral range, so that no outgoing connection takes it before the server restarts.
func (s *Server) listen(t testing.TB) net.Listener {
	t.Helper()
	address := s.Address
	for range 500 {
		if s.Address == "" {
			address = fmt.Sprint("127.0.0.1:", 20_000+rand.IntN(10_000))
		}
		if listener, err := net.Listen("tcp", address); err == nil {
			s.Address = address
			return listener
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("test server: %s is in use", address)
	return nil
}

// URL is the server's own, for calls that do not come from the gateway.
func (s *Server) URL() string { return "http://" + s.Address }

// cluster is the cluster entry that points at the server.
func (s *Server) cluster(name string) cluster {
	return Service{Cluster: name, Address: s.Address}.cluster()
}
