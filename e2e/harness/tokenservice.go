package harness

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Call is one call as the token service received it.
type Call struct {
	Method string
	URI    string // path and query as they were on the wire
	Host   string
	Header http.Header
	Body   string
	Time   time.Time
}

// TokenService is an HTTP server that answers as the test says and records every call.
type TokenService struct {
	*Server
	calls recorder[Call]

	mu     sync.Mutex // guards answer
	answer http.HandlerFunc
}

// NewTokenService starts a token service that answers HeaderToken("X-Token", "token-1")
// until Handle says otherwise.
func NewTokenService(t testing.TB) *TokenService {
	t.Helper()
	s := &TokenService{answer: HeaderToken("X-Token", "token-1")}
	s.Server = Serve(t, s.serve)
	return s
}

func (s *TokenService) serve(w http.ResponseWriter, r *http.Request) {
	received := time.Now()
	// Read to its end: only then does the server notice that the client has gone.
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.calls.add(Call{
		Method: r.Method,
		URI:    r.RequestURI,
		Host:   r.Host,
		Header: r.Header.Clone(),
		Body:   string(body),
		Time:   received,
	})
	s.mu.Lock()
	answer := s.answer
	s.mu.Unlock()
	answer(w, r)
}

// Handle sets the answer to every call from now on.
func (s *TokenService) Handle(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// Calls are all calls so far, the oldest first.
func (s *TokenService) Calls() []Call { return s.calls.all() }

// WaitCalls returns the calls once there are at least count of them.
func (s *TokenService) WaitCalls(t testing.TB, count int) []Call {
	t.Helper()
	return s.calls.wait(t, count, "token calls")
}

// Forget drops the recorded calls.
func (s *TokenService) Forget() { s.calls.clear() }
