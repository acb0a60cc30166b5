package outage

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Recording is what scrapes of a gateway showed of the plugin, one after the other.
type Recording struct {
	Period time.Duration
	Events []Event

	series  map[string][]string // by name and labels; the value of each scrape
	scrapes int
}

// prefix is that of the plugin's metrics.
const prefix = "token_fetch_"

// absent is the value of a series that a scrape did not have yet.
const absent = "_"

// gaugesOfTime are written as seconds from the beginning of the recording, as Prometheus' notation for series begins at 0.
const gaugesOfTime = "_timestamp_seconds"

// add takes a scrape in Prometheus' text format. The labels are those that a Prometheus adds.
func (r *Recording) add(scrape string, began time.Time) {
	if r.series == nil {
		r.series = map[string][]string{}
	}
	for line := range strings.Lines(scrape) {
		name, value, found := strings.Cut(strings.TrimSpace(line), "} ")
		if !strings.HasPrefix(name, prefix) || !found {
			continue
		}
		name, labels, _ := strings.Cut(name, "{")
		if strings.HasSuffix(name, gaugesOfTime) && value != "0" {
			if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
				value = strconv.FormatInt(seconds-began.Unix(), 10)
			}
		}
		key := fmt.Sprintf(`%s{job="gateway",instance="gateway-1"%s}`, name, strings.TrimSuffix(","+labels, ","))
		for len(r.series[key]) < r.scrapes {
			r.series[key] = append(r.series[key], absent)
		}
		r.series[key] = append(r.series[key], value)
	}
	r.scrapes++
}

// End is when the last scrape was.
func (r *Recording) End() time.Duration { return time.Duration(r.scrapes-1) * r.Period }

// At is when the event happened.
func (r *Recording) At(event string) time.Duration {
	for _, e := range r.Events {
		if e.Name == event {
			return e.At
		}
	}
	panic("no event " + event) // the test's own mistake
}

// Load is the recording in the notation of Prometheus' own tests.
func (r *Recording) Load() string {
	var text strings.Builder
	fmt.Fprintf(&text, "load %s\n", r.Period)
	for _, key := range slices.Sorted(maps.Keys(r.series)) {
		fmt.Fprintf(&text, "  %s %s\n", key, strings.Join(r.series[key], " "))
	}
	return text.String()
}

const eventMark = "# event "

// Write writes the recording to a file, whose comments have the events.
func (r *Recording) Write(path string) error {
	var text strings.Builder
	text.WriteString("# What a gateway's /stats/prometheus showed during a scripted outage. Written by make record-outage; do not edit.\n")
	for _, event := range r.Events {
		fmt.Fprintf(&text, "%s%s %s\n", eventMark, event.At, event.Name)
	}
	text.WriteString(r.Load())
	return os.WriteFile(path, []byte(text.String()), 0o644)
}

// Read reads what Write has written. The series are left to Prometheus' own reader.
func Read(path string) (r *Recording, load string, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	r = &Recording{}
	lines := bufio.NewScanner(strings.NewReader(string(data)))
	for lines.Scan() {
		line := lines.Text()
		if event, found := strings.CutPrefix(line, eventMark); found {
			at, name, _ := strings.Cut(event, " ")
			offset, err := time.ParseDuration(at)
			if err != nil {
				return nil, "", fmt.Errorf("%s: %w", path, err)
			}
			r.Events = append(r.Events, Event{name, offset})
		}
		if _, values, found := strings.Cut(line, "} "); found {
			r.scrapes = max(r.scrapes, len(strings.Fields(values)))
		}
		if period, found := strings.CutPrefix(line, "load "); found {
			if r.Period, err = time.ParseDuration(period); err != nil {
				return nil, "", fmt.Errorf("%s: %w", path, err)
			}
		}
	}
	return r, string(data), lines.Err()
}
