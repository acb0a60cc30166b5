package e2e_test

import (
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

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
func (before idleGateway) checkBack(t *testing.T, gateway *harness.Gateway) {
	t.Helper()
	waitStat(t, gateway, activeVMs, before.vms)
	after := measureIdle(t, gateway)
	t.Logf("idle before: %+v, after: %+v", before, after)
	// What Envoy does in its own rhythm can fall into the one measurement and not the other.
	if limit := 1.25*before.wakeups + 3; after.wakeups > limit {
		t.Errorf("an idle worker wakes up %.1f times a second, want at most %.1f", after.wakeups, limit)
	}
	if limit := before.memoryKB * 5 / 4; after.memoryKB > limit {
		t.Errorf("memory is %d kB, want at most %d kB", after.memoryKB, limit)
	}
}
