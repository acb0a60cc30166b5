package harness

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Request is one request as received by the upstream. Header has every value of
// a repeated name; names are in net/http's canonical form.
type Request struct {
	Method     string
	URI        string // path and query as they were on the wire
	Host       string
	Header     http.Header
	Trailer    http.Header // with Options.HTTP2Upstream; only those that the request announced
	BodyLength int64
	BodySHA256 string // in hex
	Time       time.Time
}

// Upstream is the service behind the gateway. It records each request and
// answers with the JSON of its headers.
type Upstream struct {
	*Server
	requests recorder[Request]

	mu     sync.Mutex // guards status
	status func(*http.Request) int
}

// newUpstream starts an upstream that answers 200 until Respond says otherwise.
func newUpstream(t testing.TB) *Upstream {
	t.Helper()
	u := &Upstream{status: func(*http.Request) int { return http.StatusOK }}
	u.Server = Serve(t, u.serve)
	return u
}

func (u *Upstream) serve(w http.ResponseWriter, r *http.Request) {
	received := time.Now()
	hash := sha256.New()
	length, err := io.Copy(hash, r.Body)
	if err != nil {
		return // the request was given up on its way
	}
	u.requests.add(Request{
		Method:     r.Method,
		URI:        r.RequestURI,
		Host:       r.Host,
		Header:     r.Header.Clone(),
		Trailer:    r.Trailer.Clone(),
		BodyLength: length,
		BodySHA256: hex.EncodeToString(hash.Sum(nil)),
		Time:       received,
	})
	u.mu.Lock()
	status := u.status
	u.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status(r))
	_ = json.NewEncoder(w).Encode(r.Header)
}

// Respond sets the status of every answer from now on.
func (u *Upstream) Respond(status func(*http.Request) int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.status = status
}

// Requests are all requests so far, the oldest first.
func (u *Upstream) Requests() []Request { return u.requests.all() }

// WaitRequests returns the requests once there are at least count of them.
func (u *Upstream) WaitRequests(t testing.TB, count int) []Request {
	t.Helper()
	return u.requests.wait(t, count, "upstream requests")
}

// Last is the newest request; a test that got an answer from the upstream has one.
func (u *Upstream) Last(t testing.TB) Request {
	t.Helper()
	requests := u.requests.all()
	if len(requests) == 0 {
		t.Fatal("the upstream has received no request")
	}
	return requests[len(requests)-1]
}

// Forget drops the recorded requests.
func (u *Upstream) Forget() { u.requests.clear() }
