package workers_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// TestClockJumps sets Envoy's wall clock an hour ahead and back while requests come: no token may
// be used past its end, by whichever clock says so first, and none for ever.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	configs := map[string]map[string]any{"exchange": harness.OAuth2Config("/exchange", harness.Exchange, nil)}
	for host := range clockedLifetimes {
		maps.Copy(configs, harness.CachedConfigs([]string{host}, map[string]any{"refreshBefore": 0}))
	}
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(configs), Workers: workers, SetClock: true, WasmLog: "info"})
	service := newClockedService(gateway)
	clients := gateway.WorkerClients(t)
	ask := func(t *testing.T, host string) (token string) {
		t.Helper()
		for _, client := range clients {
			result := gateway.AskBy(t, client, host)
			service.checkServed(t, host, result)
			token = result.Token()
		}
		return token
	}
	served := slices.DeleteFunc(slices.Sorted(maps.Keys(clockedLifetimes)), func(host string) bool { return strings.HasPrefix(host, "busy") })
	askAll := func(t *testing.T) map[string]string {
		t.Helper()
		tokens := map[string]string{}
		for _, host := range served {
			tokens[host] = ask(t, host)
		}
		return tokens
	}

	first := askAll(t)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		harness.LoadUntil(stop, 50, func(i int) any {
			host := served[i%len(served)]
			service.checkServed(t, host, gateway.Ask(t, host))
			return nil
		})
	}()

	t.Run("an hour ahead", func(t *testing.T) {
		service.setClock(t, time.Hour)
		checkClock(t, gateway, time.Hour)
		for host, token := range askAll(t) {
			if kept := token == first[host]; kept != (host == "expires-in-long") {
				t.Errorf("%s goes on with the token from before the jump: %t", host, kept)
			}
		}
	})
	t.Run("back", func(t *testing.T) {
		ahead := map[string]string{}
		for _, host := range []string{"expires-in-short", "jwt-short"} {
			ahead[host] = ask(t, host)
		}
		service.setClock(t, 0)
		time.Sleep(clockedLifetimes["jwt-short"].life)
		for host, token := range ahead {
			if ask(t, host) == token {
				t.Errorf("%s goes on with its token", host)
			}
		}
		askAll(t)
	})
	t.Run("an hour behind", func(t *testing.T) {
		service.setClock(t, -time.Hour)
		askAll(t)
		time.Sleep(clockedLifetimes["jwt-short"].life)
		askAll(t)
		service.setClock(t, 0)
		askAll(t)
	})
	close(stop)
	<-done
	t.Run("backoff", func(t *testing.T) { checkBackoffInJumps(t, service) })
	t.Run("subject", func(t *testing.T) { checkSubjectInJumps(t, service) })
}

// checkClock checks that Envoy's clock is what the test believes, by a reply of Envoy's own; its
// Date may be half a second old.
func checkClock(t *testing.T, gateway *harness.Gateway, ahead time.Duration) {
	t.Helper()
	harness.Eventually(t, harness.Limit, func() error {
		text := gateway.Get(t, "/", "Host: exchange").Header.Get("Date")
		date, err := http.ParseTime(text)
		if err != nil {
			return fmt.Errorf("a reply of Envoy's has the Date %q", text)
		}
		if off := time.Until(date) - ahead; off.Abs() > 5*time.Second {
			return fmt.Errorf("envoy's clock is %s from where the test has set it", off)
		}
		return nil
	})
}

// checkBackoffInJumps has the clock jump while the plugin holds back its calls.
func checkBackoffInJumps(t *testing.T, service *clockedService) {
	const most = 2*time.Second + 2*time.Second/5 + 1500*time.Millisecond // its wait, what it adds at random, and a busy machine
	hosts := []string{"busy-backoff", "busy-date", "busy-seconds"}
	for _, ahead := range []time.Duration{time.Hour, -time.Hour, 0} {
		service.setBusy(true)
		for _, host := range hosts {
			if result := service.gateway.Ask(t, host); result.Status != http.StatusInternalServerError {
				t.Errorf("%s was answered %d %q (%v), want 500", host, result.Status, result.Body, result.Err)
			}
		}
		service.setClock(t, ahead)
		service.setBusy(false)
		start := time.Now()
		for _, host := range hosts {
			harness.Eventually(t, most-time.Since(start), func() error {
				if result := service.gateway.Ask(t, host); result.Status != http.StatusOK {
					return fmt.Errorf("with the clock %s ahead, %s is answered %d long after a failure", ahead, host, result.Status)
				}
				return nil
			})
			t.Logf("clock %s ahead: %s is served after %s", ahead, host, time.Since(start).Round(time.Millisecond))
		}
	}
}

// checkSubjectInJumps exchanges a token that the jump makes an expired one.
func checkSubjectInJumps(t *testing.T, service *clockedService) {
	gateway := service.gateway
	gateway.Token.Handle(harness.ExchangeServer(3600))
	subject := func(ahead time.Duration) string {
		return "Authorization: Bearer " + harness.UnsignedJWT(fmt.Sprintf(`{"sub":"erin","exp":%d}`, time.Now().Add(ahead+10*time.Minute).Unix()))
	}
	early, late := subject(0), subject(time.Hour)
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: exchange", early), http.StatusOK)
	calls := len(gateway.Token.Calls())
	service.setClock(t, time.Hour)
	harness.CheckUnauthorized(t, gateway.Get(t, "/", "Host: exchange", early), harness.InvalidToken)
	if made := len(gateway.Token.Calls()) - calls; made != 0 {
		t.Errorf("%d calls for a subject that is over, want 0", made)
	}
	harness.CheckStatus(t, gateway.Get(t, "/", "Host: exchange", late), http.StatusOK)
	service.setClock(t, 0)
	for _, header := range []string{early, late} {
		harness.CheckStatus(t, gateway.Get(t, "/", "Host: exchange", header), http.StatusOK)
	}
}

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
	host, now := strings.TrimPrefix(r.URL.Path, "/"), s.now()
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	if strings.HasPrefix(host, "busy") && s.busy {
		s.refuse(w, host)
		return
	}
	kind := clockedLifetimes[host]
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
