package bench

import (
	"fmt"
	"math"
)

// target is one line of what the plugin has to reach: a ratio within one run, or with a Unit a difference.
type target struct {
	What, Against string
	Ratio         series  // round by round
	Limit         float64 // the ratio's median must be at most, or with AtLeast at least, this
	AtLeast       bool
	Unit          string
	Note          string // the two measured values
}

func (t target) measured() bool { return t.Ratio.measured() }

func (t target) met() bool {
	if t.AtLeast {
		return t.Ratio.median() >= t.Limit
	}
	return t.Ratio.median() <= t.Limit
}

func (t target) limit() string {
	if t.AtLeast {
		return fmt.Sprintf("at least %g%s", t.Limit, t.Unit)
	}
	return fmt.Sprintf("at most %g%s", t.Limit, t.Unit)
}

// verdict is short enough for a table.
func (t target) verdict() string {
	switch {
	case !t.measured():
		return "not measured"
	case t.met():
		return "met"
	default:
		return "**missed**"
	}
}

// targets are computed from what this run measured.
func (r *Report) targets() []target {
	return []target{
		r.cpuTarget("cached token: CPU per request", cached, router, 1.25),
		r.rateTarget("cached token: requests/s", cached, credentialInjector, 0.85),
		r.rateTarget("cached token: requests/s", cached, sample, 3),
		r.cpuTarget("cached token with three route rules: CPU per request", cachedRouteRules, cached, 1.15),
		r.cpuTarget("cached token with three domain rules: CPU per request", cachedDomainRules, cached, 1.15),
		r.cpuTarget("cached token with 1,000 route rules: CPU per request", manyRouteRules, cached, 1.12),
		r.cpuTarget("cached token with 1,000 domain rules: CPU per request", manyDomainRules, cached, 1.15),
		r.cpuTarget("cached token per caller: CPU per request", cachedPerCaller, cached, 1.12),
		r.cpuTarget("cached token of an exchange: CPU per request", cachedExchange, cached, 1.15),
		r.rateTarget("no cache, one call per request: requests/s", uncached, extAuthz, 0.75),
		r.rateTarget("no cache: requests/s", uncached, sample, 1.6),
		r.latencyTarget("p99 latency with a cached token at half of saturation", 1.3),
		r.footprintTarget("ready time of `main.wasm`", 1.15, func(f footprint) (series, string) {
			return f.Ready, fmt.Sprintf("%.2f s", f.Ready.median())
		}),
		r.footprintTarget("size of `main.wasm`", 1.15, func(f footprint) (series, string) {
			return series{f.Size}, megabytes(f.Size)
		}),
		r.footprintTarget("memory per further worker", 1.15, func(f footprint) (series, string) {
			return f.PerWorker, megabytes(f.PerWorker.median())
		}),
		r.startTarget(),
	}
}

func (r *Report) cpuTarget(what, name, against string, limit float64) target {
	a, b := r.throughput(name), r.throughput(against)
	return target{
		What: what, Against: against, Ratio: a.CPU.over(b.CPU), Limit: limit,
		Note: fmt.Sprintf("%.1f : %.1f µs", a.CPU.median(), b.CPU.median()),
	}
}

func (r *Report) rateTarget(what, name, against string, limit float64) target {
	a, b := r.throughput(name), r.throughput(against)
	return target{
		What: what, Against: against, Ratio: a.Rate.over(b.Rate), Limit: limit, AtLeast: true,
		Note: fmt.Sprintf("%s : %s", thousands(a.Rate.median()), thousands(b.Rate.median())),
	}
}

func (r *Report) latencyTarget(what string, limit float64) target {
	t := target{What: what, Against: router, Limit: limit}
	if len(r.Latencies.List) == 2 {
		reference, plugin := r.Latencies.List[0], r.Latencies.List[1]
		t.Ratio = plugin.P99.over(reference.P99)
		t.Note = fmt.Sprintf("%.0f : %.0f µs", plugin.P99.median(), reference.P99.median())
	}
	return t
}

func (r *Report) footprintTarget(what string, limit float64, value func(footprint) (series, string)) target {
	t := target{What: what, Against: hello, Limit: limit}
	reference, hasReference := r.footprint(hello)
	plugin, hasPlugin := r.footprint(cached)
	if hasReference && hasPlugin {
		a, referenceText := value(reference)
		b, pluginText := value(plugin)
		t.Ratio, t.Note = b.over(a), pluginText+" : "+referenceText
	}
	return t
}

// startTarget is a difference, as the rules come on top of the module, which takes most of the start.
func (r *Report) startTarget() target {
	t := target{What: "ready time with 5,000 rules", Against: fewRules, Limit: 2, Unit: " s more"}
	few, hasFew := r.footprint(fewRules)
	many, hasMany := r.footprint(veryManyRules)
	if hasFew && hasMany {
		t.Ratio = many.Ready.minus(few.Ready)
		t.Note = fmt.Sprintf("%.2f − %.2f s", many.Ready.median(), few.Ready.median())
	}
	return t
}

func (r *Report) footprint(name string) (footprint, bool) {
	for _, f := range r.Footprints {
		if f.Name == name {
			return f, true
		}
	}
	return footprint{}, false
}

// throughput of a candidate; without values when it was not measured.
func (r *Report) throughput(name string) throughput {
	for _, t := range r.Throughput {
		if t.Name == name {
			return t
		}
	}
	return throughput{}
}

func megabytes(bytes float64) string {
	if math.IsNaN(bytes) {
		return "not measured"
	}
	return fmt.Sprintf("%.1f MB", bytes/1e6)
}
