package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// clockAllowance is how late the plugin may notice that time has passed: it looks at its clocks
// at each event, and every tenth of a second.
const clockAllowance = 300 * time.Millisecond

// clockedService is a token service whose wall clock is the gateway's, and which knows when its
// tokens end by either clock.
type clockedService struct {
	gateway *harness.Gateway

	mu     sync.Mutex // guards the rest
	jumps  []jump     // the first at the start
	tokens map[string]tokenEnd
	busy   bool
}

// jump is a setting of the wall clock.
type jump struct {
	at    time.Time
	ahead time.Duration // of the machine's clock
}

// tokenEnd is when a token is over: by the wall clock as it was then set, and as time passes.
type tokenEnd struct {
	wall   time.Time
	steady time.Time
}

func newClockedService(gateway *harness.Gateway) *clockedService {
	service := &clockedService{gateway: gateway, jumps: []jump{{}}, tokens: map[string]tokenEnd{}}
	gateway.Token.Handle(service.answer)
	return service
}

// setClock returns when the plugin must have noticed.
func (s *clockedService) setClock(t *testing.T, ahead time.Duration) {
	t.Helper()
	s.mu.Lock()
	s.gateway.SetClock(t, ahead)
	s.jumps = append(s.jumps, jump{time.Now(), ahead})
	s.mu.Unlock()
	time.Sleep(clockAllowance)
}

func (s *clockedService) setBusy(busy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = busy
}

// now is what the wall clock shows.
func (s *clockedService) now() time.Time {
	return time.Now().Add(s.jumps[len(s.jumps)-1].ahead)
}

// clockedLifetimes are the ways in which an answer names its lifetime, by the path of the call.
var clockedLifetimes = map[string]struct {
	life  time.Duration
	write func(header http.Header, now time.Time, life time.Duration) (body string)
}{
	"expires-in":       {10 * time.Minute, writeExpiresIn},
	"expires-in-short": {3 * time.Second, writeExpiresIn},
	"expires-in-long":  {3 * time.Hour, writeExpiresIn},
	"jwt":              {10 * time.Minute, writeJWT},
	"jwt-short":        {3 * time.Second, writeJWT},
	"max-age": {10 * time.Minute, func(header http.Header, _ time.Time, life time.Duration) string {
		header.Set("Cache-Control", fmt.Sprintf("max-age=%d", int(life.Seconds())))
		return ""
	}},
	"expires": {10 * time.Minute, func(header http.Header, now time.Time, life time.Duration) string {
		header.Set("Date", now.UTC().Format(http.TimeFormat))
		header.Set("Expires", now.Add(life).UTC().Format(http.TimeFormat))
		return ""
	}},
	"ttl": {5 * time.Minute, func(http.Header, time.Time, time.Duration) string { return "" }},
	// Not kept, so that each request needs a call.
	"busy-seconds": {0, writeExpiresIn},
	"busy-date":    {0, writeExpiresIn},
	"busy-backoff": {0, writeExpiresIn},
}

func writeExpiresIn(_ http.Header, _ time.Time, life time.Duration) string {
	return fmt.Sprintf(`{"expires_in":%d}`, int(life.Seconds()))
}

func writeJWT(header http.Header, now time.Time, life time.Duration) string {
	header.Set("X-Token", harness.UnsignedJWT(fmt.Sprintf(`{"exp":%d,"jti":%q}`, now.Add(life).Unix(), header.Get("X-Token"))))
	return ""
}

func (s *clockedService) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	host := strings.TrimPrefix(r.URL.Path, "/")
	if strings.HasPrefix(host, "busy") && s.busy {
		s.refuse(w, host)
		return
	}
	kind := clockedLifetimes[host]
	now := s.now()
	w.Header().Set("X-Token", fmt.Sprintf("%s-%s-%d", harness.SecretMark, host, len(s.tokens)))
	body := kind.write(w.Header(), now, kind.life)
	s.tokens[w.Header().Get("X-Token")] = tokenEnd{wall: now.Add(kind.life), steady: time.Now().Add(kind.life)}
	_, _ = w.Write([]byte(body))
}

// refuse asks the plugin to come back 2 seconds later, or leaves that to its backoff.
func (s *clockedService) refuse(w http.ResponseWriter, host string) {
	switch host {
	case "busy-seconds":
		w.Header().Set("Retry-After", "2")
	case "busy-date":
		w.Header().Set("Retry-After", s.now().Add(2*time.Second).UTC().Format(http.TimeFormat))
	}
	w.WriteHeader(http.StatusTooManyRequests)
}

// checkServed checks that a request went on with a token that was not over by either clock.
func (s *clockedService) checkServed(t *testing.T, host string, result harness.Result) {
	t.Helper()
	if result.Err != nil || result.Status != http.StatusOK || result.Token() == "" {
		t.Errorf("%s was answered %d %q (%v)", host, result.Status, result.Body, result.Err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	end, known := s.tokens[result.Token()]
	if !known {
		t.Errorf("%s went on with %q", host, result.Token())
		return
	}
	if late := result.SentAt.Sub(end.steady); late > clockAllowance {
		t.Errorf("%s went on with a token that was over %s before by the steady clock", host, late)
	}
	if late := s.earliest(result.SentAt).Sub(end.wall); late > clockAllowance {
		t.Errorf("%s went on with a token that was over %s before by the wall clock", host, late)
	}
}

// earliest is the earliest that the plugin may take the time to be: a jump may be news to it.
func (s *clockedService) earliest(at time.Time) time.Time {
	var earliest time.Time
	for i, jump := range s.jumps {
		over := i+1 < len(s.jumps) && s.jumps[i+1].at.Add(clockAllowance).Before(at)
		if shown := at.Add(jump.ahead); !over && !jump.at.After(at) && (earliest.IsZero() || shown.Before(earliest)) {
			earliest = shown
		}
	}
	return earliest
}
