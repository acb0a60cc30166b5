package bench

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// tooMuchScatter is the spread of a candidate's rounds, as a part of the median,
// above which the machine was too busy to trust the numbers.
const tooMuchScatter = 0.20

// Report is what one run has measured.
type Report struct {
	Options     Options
	Machine     machine
	Began       time.Time
	Took        time.Duration
	Separate    bool // the measured Envoy had a core of its own
	Throughput  []throughput
	Latencies   latencies
	SlowService []slowServiceResult
	Footprints  []footprint
}

// Write puts benchmark.md and benchmark.svg into the folder of the options.
func (r *Report) Write() error {
	if err := os.MkdirAll(r.Options.Out, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(r.Options.Out, "benchmark.md"), []byte(r.Markdown()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.Options.Out, "benchmark.svg"), []byte(r.chart()), 0o644)
}

// tooMuchOther is how much of a core other processes may take before the report says so.
const tooMuchOther = 0.10

// Warnings tell what makes the numbers doubtful.
func (r *Report) Warnings() []string {
	var warnings []string
	var others series
	for _, t := range r.Throughput {
		others = append(others, t.Other...)
		var doubts []string
		if scatter := t.Rate.scatter(); scatter > tooMuchScatter {
			doubts = append(doubts, fmt.Sprintf("requests/s of the rounds scatter by %.0f %%", scatter*100))
		}
		if scatter := t.CPU.scatter(); scatter > tooMuchScatter {
			doubts = append(doubts, fmt.Sprintf("CPU of the rounds scatters by %.0f %%", scatter*100))
		}
		if busy := t.Busy.median(); busy < 0.9 {
			doubts = append(doubts, fmt.Sprintf("Envoy was busy for %.0f %% of the time only, so that its requests/s are not its limit", busy*100))
		}
		if len(doubts) > 0 {
			warnings = append(warnings, t.Name+": "+strings.Join(doubts, ", "))
		}
	}
	if used := others.mean(); used > tooMuchOther {
		warnings = append(warnings, fmt.Sprintf("other processes took %.0f %% of a core meanwhile", used*100))
	}
	return warnings
}

// Summary prints the targets and the warnings.
func (r *Report) Summary(w io.Writer) {
	missed := 0
	for _, t := range r.targets() {
		if !t.measured() {
			fmt.Fprintf(w, "not measured  %s, against %s\n", t.What, t.Against)
			continue
		}
		word := "met           "
		if !t.met() {
			missed++
			word = "MISSED        "
		}
		fmt.Fprintf(w, "%s%s, against %s: %.2f (%s; %s)\n", word, t.What, t.Against, t.Ratio.median(), t.limit(), t.Note)
	}
	for _, warning := range r.Warnings() {
		fmt.Fprintln(w, "warning:", warning)
	}
	if missed > 0 {
		fmt.Fprintf(w, "%d of the targets missed\n", missed)
	}
}
