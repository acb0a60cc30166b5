package main

import (
	"fmt"
	"math"
	"slices"
)

// metric is something that is measured of a candidate.
type metric struct {
	name, unit, format string
	isCount            bool // without a ratio
	moreIsBetter       bool
}

var (
	rate   = metric{name: "requests/s", format: "%.0f", moreIsBetter: true}
	cpu    = metric{name: "CPU of Envoy per request", unit: ", µs", format: "%.1f"}
	calls  = metric{name: "token calls per request", format: "%.2f", isCount: true}
	p50    = metric{name: "p50", unit: ", µs", format: "%.0f"}
	p99    = metric{name: "p99", unit: ", µs", format: "%.0f"}
	ready  = metric{name: "ready time", unit: ", s", format: "%.2f"}
	memory = metric{name: "memory per further worker", unit: ", MB", format: "%.1f"}
	size   = metric{name: "size of the module", unit: ", MB", format: "%.1f"}
)

// results holds a series for each metric of each measured candidate.
type results map[string]map[metric]series

func (r results) add(name string, m metric, value float64) {
	if r[name] == nil {
		r[name] = map[metric]series{}
	}
	r[name][m] = append(r[name][m], value)
}

// limit is a target: a ratio to another candidate's metric, within one run.
type limit struct {
	metric  metric
	against string
	value   float64
}

func (l limit) String() string {
	if l.metric.moreIsBetter {
		return fmt.Sprintf("at least %g", l.value)
	}
	return fmt.Sprintf("at most %g", l.value)
}

func (l limit) verdict(ratio float64) string {
	if ratio == l.value || (ratio > l.value) == l.metric.moreIsBetter {
		return "met"
	}
	return "**missed**"
}

// series has one value per round: NaN or infinity if there was nothing to measure or to compare with.
type series []float64

func (s series) sorted() []float64 {
	known := slices.DeleteFunc(slices.Clone([]float64(s)), func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
	slices.Sort(known)
	return known
}

func (s series) measured() bool { return len(s.sorted()) > 0 }

func (s series) median() float64 { return s.quantile(0.5) }

// quantile interpolates between values.
func (s series) quantile(p float64) float64 {
	values := s.sorted()
	if len(values) == 0 {
		return math.NaN()
	}
	at := p * float64(len(values)-1)
	below := int(at)
	above := min(below+1, len(values)-1)
	return values[below] + (at-float64(below))*(values[above]-values[below])
}

func (s series) extremes() (low, high float64) { return s.quantile(0), s.quantile(1) }

// over divides round by round: a disturbance of the machine affects both sides of a round's ratio.
func (s series) over(other series) series {
	ratio := make(series, min(len(s), len(other)))
	for i := range ratio {
		ratio[i] = s[i] / other[i]
	}
	return ratio
}
