package harness

import (
	"net/http"
	"strconv"
	"sync"
	"testing"
)

// Verdicts is an upstream, for Respond, that answers with the status in X-Verdict; "hold" is a 401 that comes when it is
// released, "abort" a connection that is closed.
type Verdicts struct {
	mu   sync.Mutex // guards held
	held chan struct{}
}

// Hold returns the channel that releases the requests with "hold" that come from now on, when it is closed.
func (v *Verdicts) Hold() chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.held = make(chan struct{})
	return v.held
}

// Status is for Respond.
func (v *Verdicts) Status(r *http.Request) int {
	switch verdict := r.Header.Get("X-Verdict"); verdict {
	case "":
		return http.StatusOK
	case "hold":
		v.mu.Lock()
		held := v.held
		v.mu.Unlock()
		<-held
		return http.StatusUnauthorized
	case "abort":
		panic(http.ErrAbortHandler)
	default:
		status, _ := strconv.Atoi(verdict)
		return status
	}
}

// HeldRequests are requests for a host with the verdict "hold".
func (g *Gateway) HeldRequests(t testing.TB, host string, count int) []*http.Request {
	t.Helper()
	requests := g.Requests(t, host, count)
	for _, request := range requests {
		request.Header.Set("X-Verdict", "hold")
	}
	return requests
}
