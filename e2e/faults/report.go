package faults

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/chart"
	"token-fetch/e2e/page"
)

// suite is the gateway and all that is around it.
type suite struct {
	load
	services []*tokenService
	lag      *lag
}

// tally counts the outcomes of requests.
type tally struct {
	results map[result]int
	worst   time.Duration
}

// tallies are of the rows of the page, by their names.
type tallies map[string]*tally

func (all tallies) add(name string, r *request) {
	t := all[name]
	if t == nil {
		t = &tally{results: map[result]int{}}
		all[name] = t
	}
	t.results[r.result()]++
	if !r.leaves && !r.slowBody {
		t.worst = max(t.worst, r.answeredAt.Sub(r.countFrom))
	}
}

// String is empty when there were none.
func (t *tally) String() string {
	if t == nil {
		return ""
	}
	var counts []string
	for _, result := range allResults {
		if n := t.results[result]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, result))
		}
	}
	text := strings.Join(counts, ", ")
	if t.worst > 0 {
		text += fmt.Sprintf("; the slowest answer after %d ms", t.worst.Milliseconds())
	}
	return text
}

// rows of the page: of the run, of what token services did, and of what clients did.
func (s *suite) rows(k *checker, run, end string) (all, services, clients []page.Row) {
	row := func(fault, gateway, format string, args ...any) page.Row {
		return page.Row{Fault: fault, Gateway: gateway, Measured: fmt.Sprintf(format, args...), Command: "make test-faults"}
	}
	const everything, noCall = "everything", "no call"
	became, callCount, calls := tallies{}, 0, map[*fault]int{}
	for _, r := range k.requests {
		became.add(everything, r)
		became.add(r.client.name, r)
		if r.subject != nil {
			became.add(r.subject.kind.name, r)
		}
		if own := k.ownCalls[r.id]; own != nil {
			became.add(own.fault.name, r)
		} else if r.rule.exact() && !r.leaves {
			became.add(noCall, r)
		}
	}
	for _, of := range k.calls {
		callCount += len(of)
		for _, c := range of {
			calls[c.fault]++
		}
	}
	measured := fmt.Sprintf("%d requests and %d token calls in %s: %s (timeout %d ms)", len(k.requests), callCount, run, became[everything], callTimeout.Milliseconds())
	if len(k.late) > 0 {
		measured += fmt.Sprintf(", %d beyond timeout + 300 ms, by at most %d ms, while the machine kept threads waiting for longer", len(k.late), slices.Max(k.late).Milliseconds())
	}
	all = append(all, row(fmt.Sprintf("all of the below at once, %d requests/s, 4 workers", rate),
		"stays up: no dead VM, no hanging request, no request with another's token, memory within 10 %",
		"%s; longest wait for a core: %d ms; %s", measured, k.lag.worst().Milliseconds(), end))
	services = append(services, row("the service refuses connections for 50 to 200 ms, those that are open are cut", unavailable.gateway(),
		"%d times; of requests with their own call then: %s", k.away, became[noCall]))
	for _, f := range allFaults {
		services = append(services, row(f.name, f.gateway(), "%d calls; of requests with their own call: %s", calls[f], became[f.name]))
	}
	for _, c := range allClients {
		clients = append(clients, row(c.name, c.gateway, "%s", became[c.name]))
	}
	for _, kind := range subjectKinds {
		clients = append(clients, row("token to exchange: "+kind.name, kind.gateway, "%s", became[kind.name]))
	}
	return all, services, clients
}

// write writes the figures into the page, if that is asked for and all went well.
func (s *suite) write(t *testing.T, k *checker, run, end string, curve []chart.Line) {
	t.Helper()
	var all, services, clients []page.Row
	s.ledger.change(func() { all, services, clients = s.rows(k, run, end) }) // calls may still come in, of clients that have left
	for _, row := range slices.Concat(all, services, clients) {
		t.Logf("%s: %s", row.Fault, row.Measured)
	}
	if t.Failed() {
		return
	}
	page.WriteRows(t, "make test-faults, the run", all...)
	page.WriteRows(t, "make test-faults, token services", services...)
	page.WriteRows(t, "make test-faults, clients", clients...)
	panel := chart.Panel{Title: fmt.Sprintf("Memory of Envoy under faults, %d requests/s", rate), Unit: "MB", Lines: curve}
	picture, err := chart.Curves([]chart.Panel{panel}, []chart.Place{{Width: 18, Height: 10}})
	if err == nil {
		err = page.WriteFile(t, "reliability-memory.svg", picture)
	}
	if err != nil {
		t.Errorf("the curve of Envoy's memory is not drawn: %v", err)
	}
}
