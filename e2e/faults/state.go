package faults

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// idleLimit is how long requests and calls of clients that have gone may stay: their calls
// end by the timeout.
const idleLimit = 5 * time.Second

// waitIdle returns when no request is left in the gateway, and none on its way to a
// service, and fails the test when some stay.
func (s *suite) waitIdle(t *testing.T) {
	t.Helper()
	harness.Eventually(t, idleLimit, func() error {
		active := s.gateway.Stats(t, `(upstream|downstream)_rq_active$`)
		maps.DeleteFunc(active, func(name, value string) bool {
			return value == "0" || strings.HasPrefix(name, "http.admin.") // this very look
		})
		if len(active) != 0 {
			return fmt.Errorf("there are requests left: %v", active)
		}
		return nil
	})
}

// state is what the faults must not change: the VMs that there are, and how many there
// have ever been.
func (s *suite) state(t *testing.T) map[string]string {
	t.Helper()
	return s.gateway.Stats(t, `^wasm\.`)
}

func (s *suite) checkState(t *testing.T, before map[string]string) {
	t.Helper()
	if len(before) == 0 {
		t.Error("Envoy has no statistics of its VMs")
	}
	if after := s.state(t); !maps.Equal(after, before) {
		t.Errorf("Envoy's VMs were %v and are %v", before, after)
	}
	if counted := s.gateway.Stat(t, "http1.response_flood"); counted != strconv.Itoa(s.ledger.floods) {
		t.Errorf("Envoy has cut %q connections with too many answers queued, and %d were cut", counted, s.ledger.floods)
	}
	if named := s.gateway.Stats(t, harness.SecretMark); len(named) != 0 {
		t.Errorf("statistics have a secret in their names: %v", named)
	}
	t.Logf("looked for secrets in %d lines of log", s.log.count())
}
