package e2e_test

import (
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// outOfStep is how many wakeups more there are in a second when the plugin's timer and that of Envoy's watchdog,
// which both have 100 ms, do not fire together; and some for what Envoy does in its own rhythm.
const outOfStep = 10 + 3

// idleGateway is what a gateway costs that has nothing to do.
type idleGateway struct {
	vms      string
	wakeups  float64 // a second, of the busiest worker
	memoryKB int
}

func measureIdle(t *testing.T, gateway *harness.Gateway) idleGateway {
	t.Helper()
	return idleGateway{
		vms:      gateway.Stat(t, activeVMs),
		wakeups:  gateway.Wakeups(t, 3*time.Second),
		memoryKB: gateway.MemoryKB(t),
	}
}

// checkBack checks that the gateway, which is idle again, costs about what it did before.
func (before idleGateway) checkBack(t *testing.T, gateway *harness.Gateway) (after idleGateway) {
	t.Helper()
	gateway.WaitStat(t, activeVMs, before.vms)
	after = measureIdle(t, gateway)
	t.Logf("idle before: %+v, after: %+v", before, after)
	if limit := before.wakeups + outOfStep; after.wakeups > limit {
		t.Errorf("an idle worker wakes up %.1f times a second, want at most %.1f", after.wakeups, limit)
	}
	if limit := before.memoryKB * 5 / 4; after.memoryKB > limit {
		t.Errorf("memory is %d kB, want at most %d kB", after.memoryKB, limit)
	}
	return after
}
