package faults

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/chart"
	"token-fetch/e2e/page"
)

// Parts of docs/reliability.md that the suite writes.
const (
	runPart      = "make test-faults, the run"
	servicesPart = "make test-faults, token services"
	clientsPart  = "make test-faults, clients"
)

const command = "make test-faults"

// memory is Envoy's: in kB with nothing under way, and in MB under load.
type memory struct {
	warm, after int
	curve       []chart.Line
}

// tally is what became of some requests.
type tally struct {
	requests int
	became   map[string]int
	worst    time.Duration
}

func (t *tally) add(r *request) {
	if t.became == nil {
		t.became = map[string]int{}
	}
	t.requests++
	t.became[r.became()]++
	if !r.answeredAt.IsZero() && !r.leaves && !r.slowBody {
		t.worst = max(t.worst, r.answeredAt.Sub(r.countFrom))
	}
}

// order is that of the counts in a cell.
var order = []string{withToken, withoutToken, "denied", "401", "left", "wrong"}

const (
	withToken    = "sent on with the token"
	withoutToken = "sent on without"
)

// became is what became of a request, in a few words.
func (r *request) became() string {
	switch {
	case !r.reachedAt.IsZero() && r.values > 0:
		return withToken
	case !r.reachedAt.IsZero():
		return withoutToken
	case r.answer == denied:
		return "denied"
	case r.answer == subjectMissing || r.answer == subjectRefused:
		return "401"
	case r.leaves:
		return "left"
	default:
		return "wrong"
	}
}

func (t *tally) String() string {
	var counts []string
	for _, became := range order {
		if n := t.became[became]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, became))
		}
	}
	text := strings.Join(counts, ", ")
	if t.worst > 0 {
		text += fmt.Sprintf("; the slowest answer after %d ms", t.worst.Milliseconds())
	}
	return text
}

// write writes the figures into the page, if that is asked for and all went well.
func (s *suite) write(t *testing.T, j *checker, m memory) {
	t.Helper()
	var services, clients []page.Row
	var run page.Row
	s.ledger.change(func() { // calls may still come in, of clients that have left
		services, clients, run = s.serviceRows(j), s.clientRows(), s.runRow(j, m)
	})
	for _, row := range append(append(services, clients...), run) {
		t.Logf("%s: %s", row.Fault, row.Measured)
	}
	if t.Failed() {
		return
	}
	page.WriteRows(t, runPart, run)
	page.WriteRows(t, servicesPart, services...)
	page.WriteRows(t, clientsPart, clients...)
	picture, err := chart.Curves(chart.Panel{Title: fmt.Sprintf("Memory of Envoy under faults, %d requests/s", rate), Unit: "MB", Lines: m.curve})
	if err == nil {
		err = page.WriteFile("reliability-memory.svg", picture)
	}
	if err != nil {
		t.Errorf("the curve of Envoy's memory is not drawn: %v", err)
	}
}

// serviceRows count the calls of each kind, and of the requests with a call of their own
// what became of them.
func (s *suite) serviceRows(j *checker) []page.Row {
	calls, tallies, refused := map[*fault]int{}, map[*fault]*tally{}, &tally{}
	for _, f := range allFaults {
		tallies[f] = &tally{}
	}
	for _, all := range j.calls {
		for _, c := range all {
			calls[c.fault]++
		}
	}
	for _, r := range j.requests {
		own := j.ownCalls[r.id]
		switch {
		case own != nil:
			tallies[own.fault].add(r)
		case r.rule.exact() && !r.leaves:
			refused.add(r)
		}
	}
	away := 0
	for _, times := range s.goneAway {
		away += times
	}
	rows := []page.Row{{
		Fault: "the service refuses connections for 50 to 200 ms, those that are open are reset", Gateway: unavailable.gateway(),
		Measured: fmt.Sprintf("%d times; of requests with a call of their own then: %s", away, refused), Command: command,
	}}
	for _, f := range allFaults {
		measured := fmt.Sprintf("%d calls", calls[f])
		if tallies[f].requests > 0 {
			measured += fmt.Sprintf("; of requests with a call of their own: %s", tallies[f])
		}
		rows = append(rows, page.Row{Fault: f.name, Gateway: f.gatewayText(), Measured: measured, Command: command})
	}
	return rows
}

// gatewayText tells apart where the token is looked for, if that matters.
func (f *fault) gatewayText() string {
	if f.only != nil || f.header == f.json {
		return f.json.gateway()
	}
	return "token in a header: " + f.header.gateway() + "; in the body: " + f.json.gateway()
}

func (s *suite) clientRows() []page.Row {
	tallies, subjects := map[*client]*tally{}, map[string]*tally{}
	var kinds []string
	for _, r := range s.ledger.requests {
		if tallies[r.client] == nil {
			tallies[r.client] = &tally{}
		}
		tallies[r.client].add(r)
		if r.subject == nil {
			continue
		}
		if subjects[r.subject.kind] == nil {
			subjects[r.subject.kind] = &tally{}
			kinds = append(kinds, r.subject.kind)
		}
		subjects[r.subject.kind].add(r)
	}
	var rows []page.Row
	for _, c := range allClients {
		if tallies[c] != nil {
			rows = append(rows, page.Row{Fault: c.name, Gateway: c.gateway, Measured: tallies[c].String(), Command: command})
		}
	}
	for _, kind := range kinds {
		rows = append(rows, page.Row{
			Fault: "token to exchange: " + kind, Gateway: subjectTexts[kind], Measured: subjects[kind].String(), Command: command,
		})
	}
	return rows
}

// runRow is about all of it.
func (s *suite) runRow(j *checker, m memory) page.Row {
	suiteWorst, envoyWorst := s.lag.worst()
	worst, held := time.Duration(0), time.Duration(0)
	for _, r := range j.requests {
		if !r.leaves && !r.slowBody && !r.answeredAt.IsZero() {
			worst = max(worst, r.answeredAt.Sub(r.countFrom))
		}
	}
	for _, late := range j.lateness {
		held = max(held, late)
	}
	calls := 0
	for _, all := range j.calls {
		calls += len(all)
	}
	measured := fmt.Sprintf("%d requests and %d token calls in %s after %s of warm-up, seed %d; the slowest answer after %d ms (timeout %d ms)",
		len(j.requests), calls, s.settings.load, s.settings.warmUp(), s.settings.seed, worst.Milliseconds(), callTimeout.Milliseconds())
	if len(j.lateness) > 0 {
		measured += fmt.Sprintf(", %d beyond timeout + 300 ms, by at most %d ms, while the machine kept threads waiting for longer", len(j.lateness), held.Milliseconds())
	}
	measured += fmt.Sprintf("; longest wait for a core: %d ms of a thread of Envoy in %s, %d ms of the suite; memory of Envoy %d MB after the warm-up, %d MB at the end; no secret in %d lines of log",
		envoyWorst.Milliseconds(), lagInterval, suiteWorst.Milliseconds(), m.warm/1024, m.after/1024, s.log.count())
	return page.Row{
		Fault:    fmt.Sprintf("all of the below at once, %d requests/s, 4 workers", rate),
		Gateway:  "stays: no dead VM, no request left, no token but a request's own, memory within 10 %",
		Measured: measured,
		Command:  command,
	}
}
