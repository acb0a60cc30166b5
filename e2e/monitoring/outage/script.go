// Package outage plays a scripted outage to a real gateway, and keeps what its statistics showed meanwhile: for the
// alerts, the dashboard and its picture.
package outage

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Event is something that the script does to the token services.
type Event struct {
	Name string
	At   time.Duration // from the beginning
}

// The events in their order. Tokens of the service for orders live two minutes and are renewed 40 s before their end, so that
// an outage shows in three steps: renewal fails, the token ends, requests get none.
const (
	OneFailure        = "one call fails"
	SomeRefused       = "one caller in five is refused"
	SomeRefusedEnds   = "all callers are accepted again"
	OutageBegins      = "the token service fails"
	OutageEnds        = "the token service is back"
	RefusalBegins     = "seven callers in ten are refused"
	RefusalEnds       = "all callers are accepted once more"
	length            = 19 * time.Minute
	callers           = 30
	requestPeriod     = 100 * time.Millisecond // of a request for orders, and one of a caller
	orderLifetime     = 120                    // seconds, as below
	orderRefresh      = 40
	exchangedLifetime = 60
)

// Script is when the events happen.
var Script = []Event{
	{OneFailure, time.Minute},
	{SomeRefused, 90 * time.Second},
	{SomeRefusedEnds, 150 * time.Second},
	{OutageBegins, 3 * time.Minute},
	{OutageEnds, 8 * time.Minute},
	{RefusalBegins, 11 * time.Minute},
	{RefusalEnds, 16 * time.Minute},
}

// services are the two token services of the script: one for orders, one that exchanges callers' tokens.
type services struct {
	mu       sync.Mutex // guards the rest
	failOnce bool
	isDown   bool
	refused  int // of ten callers
}

// happen does what an event says.
func (s *services) happen(event string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch event {
	case OneFailure:
		s.failOnce = true
	case OutageBegins:
		s.isDown = true
	case OutageEnds:
		s.isDown = false
	case SomeRefused:
		s.refused = 2
	case RefusalBegins:
		s.refused = 7
	case SomeRefusedEnds, RefusalEnds:
		s.refused = 0
	}
}

func (s *services) fails() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	once := s.failOnce
	s.failOnce = false
	return once || s.isDown
}

func (s *services) refuses(caller int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return caller%10 < s.refused
}

func (s *services) answerOrders(w http.ResponseWriter, _ *http.Request) {
	if s.fails() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	answer(w, http.StatusOK, map[string]any{"access_token": "an-order-token", "expires_in": orderLifetime})
}

func (s *services) answerExchange(w http.ResponseWriter, r *http.Request) {
	var caller int
	if _, err := fmt.Sscanf(r.FormValue("subject_token"), "caller-%d", &caller); err != nil || s.refuses(caller) {
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	answer(w, http.StatusOK, map[string]any{"access_token": "a-caller's-token", "token_type": "Bearer", "expires_in": exchangedLifetime})
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who calls may have gone
}

// The names of the services as the gateway knows them, and as its metrics do.
const (
	OrderService   = "orders-token.static"
	CallerService  = "login.example.dns"
	OrderMetrics   = "orders_token_static_80"
	CallerMetrics  = "login_example_dns_80"
	orderHost      = "orders.example"
	callerHost     = "users.example"
	exchange       = "urn:ietf:params:oauth:grant-type:token-exchange"
	defaultTimeout = 5000 // ms, for a busy machine
)

func configuration() map[string]any {
	return map[string]any{"_rules_": []any{
		map[string]any{
			"_match_domain_": []string{orderHost}, "serviceName": OrderService, "requestPath": "/token", "tokenHeader": "X-Token",
			"tokenPath": "access_token", "timeout": defaultTimeout, "cache": map[string]any{"refreshBefore": orderRefresh},
		},
		map[string]any{
			"_match_domain_": []string{callerHost}, "serviceName": CallerService, "requestPath": "/exchange", "timeout": defaultTimeout,
			"oauth2": map[string]any{"clientId": "gateway", "clientSecret": "not-a-secret", "grantType": exchange},
		},
	}}
}

// load sends requests to the gateway until stop is closed. What it gets is in the metrics.
func load(client *http.Client, gateway string, stop <-chan struct{}) {
	for number := 0; ; number++ {
		select {
		case <-stop:
			return
		case <-time.After(requestPeriod):
		}
		for host, token := range map[string]string{orderHost: "", callerHost: fmt.Sprintf("Bearer caller-%d", number%callers)} {
			request, err := http.NewRequest(http.MethodGet, gateway+"/", strings.NewReader(""))
			if err != nil {
				panic(err) // the script's own
			}
			request.Host = host
			if token != "" {
				request.Header.Set("Authorization", token)
			}
			if response, err := client.Do(request); err == nil {
				response.Body.Close()
			}
		}
	}
}
