// Package outage runs a scripted outage against a real gateway and records its statistics for the
// alerts, the dashboard and its picture.
package outage

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"token-fetch/e2e/harness"
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
	requestRate       = 10  // a second, for orders and of callers each
	orderLifetime     = 120 // seconds, as below
	orderRefresh      = 40
	exchangedLifetime = 60
)

// Script is when the events happen, and what each does to the services.
var Script = []struct {
	Event
	do func(*services)
}{
	{Event{OneFailure, time.Minute}, func(s *services) { s.failOnce = true }},
	{Event{SomeRefused, 90 * time.Second}, func(s *services) { s.refused = 2 }},
	{Event{SomeRefusedEnds, 150 * time.Second}, func(s *services) { s.refused = 0 }},
	{Event{OutageBegins, 3 * time.Minute}, func(s *services) { s.isDown = true }},
	{Event{OutageEnds, 8 * time.Minute}, func(s *services) { s.isDown = false }},
	{Event{RefusalBegins, 11 * time.Minute}, func(s *services) { s.refused = 7 }},
	{Event{RefusalEnds, 16 * time.Minute}, func(s *services) { s.refused = 0 }},
}

// services are the two token services of the script: one for orders, one that exchanges callers' tokens.
type services struct {
	mu       sync.Mutex // guards the rest
	failOnce bool
	isDown   bool
	refused  int // of ten callers
}

// happen does what an event says.
func (s *services) happen(do func(*services)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(s)
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

func (s *services) answerOrders(w http.ResponseWriter, r *http.Request) {
	if s.fails() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	harness.JSON(http.StatusOK, harness.Config{"access_token": "an-order-token", "expires_in": orderLifetime})(w, r)
}

func (s *services) answerExchange(w http.ResponseWriter, r *http.Request) {
	var caller int
	if _, err := fmt.Sscanf(r.FormValue("subject_token"), "caller-%d", &caller); err != nil || s.refuses(caller) {
		harness.JSON(http.StatusBadRequest, harness.Config{"error": "invalid_grant"})(w, r)
		return
	}
	harness.JSON(http.StatusOK, harness.Config{"access_token": "a-caller's-token", "token_type": "Bearer", "expires_in": exchangedLifetime})(w, r)
}

// The names of the services as the gateway knows them, and as its metrics do.
const (
	OrderService   = "orders-token.static"
	CallerService  = "login.example.dns"
	OrderMetrics   = "orders_token_static_80"
	CallerMetrics  = "login_example_dns_80"
	orderHost      = "orders.example"
	callerHost     = "users.example"
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
			"oauth2": map[string]any{"clientId": "gateway", "clientSecret": "not-a-secret", "grantType": harness.TokenExchange},
		},
	}}
}
