package monitoring_test

import (
	"maps"
	"testing"
	"time"

	"github.com/prometheus/prometheus/rules"

	"token-fetch/e2e/monitoring/outage"
)

// alert is one for one token service.
type alert struct{ name, service string }

// span is when it fired.
type span struct{ from, to time.Duration }

// firing evaluates the rules over the recording.
func (p *prometheus) firing(t *testing.T) map[alert][]span {
	t.Helper()
	spans, now := map[alert][]span{}, map[alert]bool{}
	p.evaluate(t, func(at time.Duration) {
		before := maps.Clone(now)
		clear(now)
		for _, group := range p.groups {
			for _, rule := range group.AlertingRules() {
				for _, active := range rule.ActiveAlerts() {
					if active.State == rules.StateFiring {
						now[alert{rule.Name(), active.Labels.Get("token_service")}] = true
					}
				}
			}
		}
		for fires := range now {
			if !before[fires] {
				spans[fires] = append(spans[fires], span{from: at})
			}
			spans[fires][len(spans[fires])-1].to = at
		}
	})
	return spans
}

// firstAbove is when a series first has a value above 0.
func (p *prometheus) firstAbove(t *testing.T, expression string) time.Duration {
	t.Helper()
	for _, series := range p.query(t, expression) {
		for _, point := range series.Floats {
			if point.F > 0 {
				return time.Duration(point.T) * time.Millisecond
			}
		}
	}
	t.Fatalf("%s: got nothing above 0", expression)
	return 0
}

// Each alert fires when it should and not before, for the failing token service only, and resolves
// when the fault is over. Before the outage, one call fails and one in five callers is refused, which must not alert.
func TestAlerts(t *testing.T) {
	p := newPrometheus(t)
	r := p.recording
	const (
		// noticed is how late a scrape, the recording rules and the evaluation may be, one after the other.
		noticed = 3 * evaluationPeriod
		// longestBackoff is between two calls to a token service that fails.
		longestBackoff = 36 * time.Second
	)
	fired := p.firing(t)
	firstDenied := p.firstAbove(t, "token_fetch_service_"+outage.OrderMetrics+"_denied")
	tests := map[alert]struct{ fromEarliest, fromLatest, toEarliest, toLatest time.Duration }{
		// Two minutes of failing calls, the first of which is the next renewal.
		{"TokenFetchCallsFail", outage.OrderMetrics}: {
			r.At(outage.OutageBegins) + 2*time.Minute, firstDenied + 2*time.Minute + noticed,
			r.At(outage.OutageEnds), r.At(outage.OutageEnds) + longestBackoff + 2*time.Minute + noticed,
		},
		{"TokenFetchTokenExpires", outage.OrderMetrics}: {
			r.At(outage.OutageBegins), firstDenied - evaluationPeriod,
			firstDenied - noticed, firstDenied + noticed,
		},
		{"TokenFetchRequestsWithoutToken", outage.OrderMetrics}: {
			firstDenied + time.Minute, firstDenied + time.Minute + noticed,
			r.At(outage.OutageEnds), r.At(outage.OutageEnds) + longestBackoff + time.Minute + noticed,
		},
		// The callers' tokens of before the refusal serve to their end, a minute later; the share passes a half before.
		{"TokenFetchCallersRefused", outage.CallerMetrics}: {
			r.At(outage.RefusalBegins) + 2*time.Minute, r.At(outage.RefusalBegins) + time.Minute + 2*time.Minute + 2*time.Minute,
			r.At(outage.RefusalEnds), r.At(outage.RefusalEnds) + longestBackoff + 2*time.Minute + noticed,
		},
	}
	for which, want := range tests {
		spans := fired[which]
		if len(spans) != 1 {
			t.Errorf("%v: fired %v, expected once", which, spans)
			continue
		}
		if got := spans[0].from; got < want.fromEarliest || got > want.fromLatest {
			t.Errorf("%v: fires from %s, expected from %s to %s", which, got, want.fromEarliest, want.fromLatest)
		}
		if got := spans[0].to; got < want.toEarliest || got > want.toLatest {
			t.Errorf("%v: fires until %s, expected until %s to %s", which, got, want.toEarliest, want.toLatest)
		}
	}
	for which, spans := range fired {
		if _, expected := tests[which]; !expected {
			t.Errorf("%v: fired %v, expected never", which, spans)
		}
	}
}
