//go:build redis

package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"token-fetch/internal/redistest"
)

const (
	fleetGateways = 50
	fleetTokens   = 20 // that each gateway needs, each for a rule of its own
	fleetTimeout  = 2 * time.Second
)

// fleetLifetime is long enough for all gateways to ask for all tokens: on a machine that is busy with other tests, or on one
// that runs these many rounds alone.
func fleetLifetime() time.Duration {
	if fleetRounds() > 2 {
		return 4 * time.Second
	}
	return 12 * time.Second
}

// fleetRounds is how often all tokens expire; 50 for the thousand expiries of the page.
func fleetRounds() int {
	if n, err := strconv.Atoi(os.Getenv("FLEET_ROUNDS")); err == nil {
		return n
	}
	return 2
}

func fleetConfig() string {
	var rules []string
	for token := range fleetTokens {
		rules = append(rules, fmt.Sprintf(`{"_match_domain_": ["t%d.com"], "requestPath": "/t%d"}`, token, token))
	}
	return fmt.Sprintf(`{"enabled": false, "serviceName": "token.dns", "tokenHeader": "x-token", "timeout": %d,
		"cache": {"refreshBefore": 0, "redis": {"serviceName": "redis.dns", "timeout": 2000}}, "_rules_": [%s]}`,
		fleetTimeout.Milliseconds(), strings.Join(rules, ", "))
}

// fleetChains has all tokens need a link that needs another one, and Redis keep them sealed.
func fleetChains() string {
	const link = `{"serviceName": "token.dns", "requestPath": "/%s", "responseHeader": "x-token", "timeout": %d, "requestHeaders": {"X-Link": "%s"}}`
	tokens := fmt.Sprintf(`"requestHeaders": {"X-Link": "${token.exchange}"}, "tokens": {"login": `+link+`, "exchange": `+link+`}, `,
		"login", fleetTimeout.Milliseconds(), "x", "exchange", fleetTimeout.Milliseconds(), "${token.login}")
	sealed := strings.Replace(fleetConfig(), `"redis": {`, `"redis": {"encryptionKey": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", `, 1)
	return strings.Replace(sealed, `"serviceName"`, tokens+`"serviceName"`, 1)
}

// fleetService gives tokens that tell which call brought them.
type fleetService struct {
	*httptest.Server
	config string // of the gateways
	calls  atomic.Int64
	hangs  atomic.Bool
}

func newFleetService(t *testing.T) *fleetService {
	s := &fleetService{config: fleetConfig()}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		number := s.calls.Add(1)
		if s.hangs.Load() {
			<-r.Context().Done()
			return
		}
		w.Header().Set("X-Token", fmt.Sprintf("%s-%d", strings.TrimPrefix(r.URL.Path, "/"), number))
		fmt.Fprintf(w, `{"expires_in": %g}`, fleetLifetime().Seconds())
	}))
	t.Cleanup(s.Close)
	return s
}

// process is a gateway of the fleet.
type process struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

func startProcess(t *testing.T, redis *redistest.Server, service *fleetService) *process {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), gatewayRedis+"="+redis.Address, gatewayService+"="+service.URL, gatewayConfig+"="+service.config)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{command, in, bufio.NewReader(out)}
	t.Cleanup(p.kill)
	return p
}

func (p *process) kill() {
	_ = p.command.Process.Kill()
	_ = p.command.Wait()
}

func (p *process) ask(token int) string {
	fmt.Fprintf(p.in, "t%d\n", token)
	line, _ := p.out.ReadString('\n')
	return strings.TrimSpace(line)
}

func startProcesses(t *testing.T, redis *redistest.Server, service *fleetService, count int) []*process {
	t.Helper()
	var fleet []*process
	for range count {
		fleet = append(fleet, startProcess(t, redis, service))
	}
	for number, p := range fleet {
		if line, _ := p.out.ReadString('\n'); line != "ready\n" {
			t.Fatalf("gateway %d: got %q, expected that it is ready", number, line)
		}
	}
	return fleet
}

// checkRound has all gateways ask for all tokens, and checks that they get the same ones.
func checkRound(t *testing.T, fleet []*process) {
	t.Helper()
	answers := make([][fleetTokens]string, len(fleet))
	var group sync.WaitGroup
	for number, p := range fleet {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := range fleetTokens {
				token := (i + number) % fleetTokens // not all for the same at once
				answers[number][token] = p.ask(token)
			}
		}()
	}
	group.Wait()
	for number, of := range answers {
		for token, answer := range of {
			if want := answers[0][token]; answer != want || !strings.HasPrefix(answer, fmt.Sprintf("token t%d-", token)) {
				t.Fatalf("gateway %d, token %d: got %q, expected %q of the others", number, token, answer, want)
			}
		}
	}
}

// Fifty gateways need twenty tokens: each time that these expire, each is fetched once.
func TestFleetSharesTokens(t *testing.T) {
	redis, service := redistest.Start(t), newFleetService(t)
	fleet := startProcesses(t, redis, service, fleetGateways)
	for round := range fleetRounds() {
		if round > 0 {
			time.Sleep(fleetLifetime()) // all tokens have ended
		}
		if round == fleetRounds()/2 {
			redis.Stop()
			redis.Restart()
		}
		checkRound(t, fleet)
	}
	want := int64(fleetRounds() * fleetTokens)
	if calls := service.calls.Load(); calls != want {
		t.Errorf("got %d calls for %d expiries in %d gateways, expected %d", calls, want, fleetGateways, want)
	}
	t.Logf("%d gateways, each needs %d tokens: %d expiries, Redis restarted halfway: %d token calls", fleetGateways, fleetTokens, want, service.calls.Load())
}

// The links of a chain are the fleet's as well: none is fetched twice.
func TestFleetSharesChains(t *testing.T) {
	redis, service := redistest.Start(t), newFleetService(t)
	service.config = fleetChains()
	fleet := startProcesses(t, redis, service, 10)
	checkRound(t, fleet)
	if calls := service.calls.Load(); calls != fleetTokens+2 {
		t.Errorf("got %d calls, expected those of %d tokens and of two links", calls, fleetTokens)
	}
}

// A gateway that is killed while it holds the lease costs one call more, and the others no longer than the call may take.
func TestFleetOutlivesGateway(t *testing.T) {
	redis, service := redistest.Start(t), newFleetService(t)
	fleet := startProcesses(t, redis, service, 10)
	service.hangs.Store(true)
	go fleet[0].ask(0)
	for deadline := time.Now().Add(20 * time.Second); service.calls.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the first gateway has made no call after 20 s")
		}
	}
	fleet[0].kill()
	service.hangs.Store(false)
	began := time.Now()
	checkRound(t, fleet[1:])
	if calls := service.calls.Load(); calls != 1+fleetTokens {
		t.Errorf("got %d calls, expected the lost one and %d", calls, fleetTokens)
	}
	took := time.Since(began)
	t.Logf("10 gateways, one killed while it holds the lease: %d token calls for %d tokens; all served %.1f s after it was killed, with a timeout of %s",
		service.calls.Load(), fleetTokens, took.Seconds(), fleetTimeout)
	if took > 2*fleetTimeout {
		t.Errorf("took %s, expected at most the wait for the lost call and the call, %s", took, 2*fleetTimeout)
	}
}
