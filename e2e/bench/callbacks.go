package bench

import (
	"context"
	"fmt"
	"strings"
)

// idleRate is that of a worker which has much time left, in requests per second.
const idleRate = 3000

// Callbacks is what it saves to replace the SDK's callbacks: the plugin as make builds it, beside the same
// file with the SDK's callbacks in their place.
type Callbacks struct {
	circumstances
	Busy pair // as many requests as it can serve
	Idle pair // idleRate
}

// pair is Envoy's CPU with each of the two, in microseconds per request, round by round.
type pair struct{ sdk, own series }

func (p pair) saved() series { return p.sdk.minus(p.own) }

// RunCallbacks measures both side by side in one Envoy.
func RunCallbacks(ctx context.Context, options Options) (*Callbacks, error) {
	var result *Callbacks
	err := with(ctx, options, named(profileCandidates(), cachedSDK, cached), func(b *bench, candidates []candidate) (err error) {
		if len(candidates) != 2 {
			return fmt.Errorf("both %q and %q are needed", cachedSDK, cached)
		}
		result, err = b.callbacks(ctx, candidates)
		return err
	})
	return result, err
}

func (b *bench) callbacks(ctx context.Context, candidates []candidate) (*Callbacks, error) {
	s, under, end, err := b.measuredApart(ctx, candidates)
	if err != nil {
		return nil, err
	}
	defer end()
	c := &Callbacks{circumstances: under}
	busy := func(of candidate, _ uint64) (float64, error) {
		measured, err := b.saturate(ctx, s, of)
		return measured.cpu, err
	}
	idle := func(of candidate, round uint64) (float64, error) {
		_, cpu, err := b.paced(ctx, s, of, idleRate, round)
		return cpu, err
	}
	for round := range uint64(b.Rounds) + 1 {
		for _, kind := range []struct {
			of      *pair
			measure func(candidate, uint64) (float64, error)
		}{{&c.Busy, busy}, {&c.Idle, idle}} {
			sdk, own, err := alternate(candidates[0], candidates[1], round, kind.measure)
			if err != nil {
				return nil, s.explain(err)
			}
			if round > 0 { // V8 compiles again what is used much
				kind.of.sdk, kind.of.own = append(kind.of.sdk, sdk), append(kind.of.own, own)
			}
		}
		b.step("round %d/%d", round, b.Rounds)
	}
	return c, nil
}

// alternate measures a, b, b and a, so that what changes on the machine at a steady pace changes nothing.
func alternate(a, b candidate, round uint64, measure func(candidate, uint64) (float64, error)) (ofA, ofB float64, err error) {
	var values [4]float64
	for i, c := range []candidate{a, b, b, a} {
		if values[i], err = measure(c, round); err != nil {
			return 0, 0, fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return (values[0] + values[3]) / 2, (values[1] + values[2]) / 2, nil
}

// Markdown is the part of the page that is measured.
func (c *Callbacks) Markdown() string {
	var page strings.Builder
	c.write(&page)
	var rows [][]string
	for _, load := range []struct {
		name string
		pair pair
	}{{"busy", c.Busy}, {thousands(idleRate) + " requests/s", c.Idle}} {
		saved := load.pair.saved()
		low, high := saved.confidence()
		rows = append(rows, []string{
			load.name, fmt.Sprintf("%.1f", load.pair.sdk.median()), fmt.Sprintf("%.1f", load.pair.own.median()),
			fmt.Sprintf("%.2f (%.2f to %.2f)", saved.median(), low, high),
			fmt.Sprintf("%.1f %%", 100*saved.over(load.pair.sdk).median()), pays(low, high),
		})
	}
	writeTable(&page, []string{
		"worker", "CPU with the SDK's callbacks, µs per request", "with the plugin's own", "saved: median with its 95 % confidence interval", "of a request", "",
	}, rows)
	fmt.Fprintf(&page, "\n%d rounds; each measures SDK, own, own, SDK. The interval is that of the median of the rounds' differences, by their order alone.\n", c.Options.Rounds)
	return page.String()
}

func pays(low, high float64) string {
	switch {
	case low > 0:
		return "pays"
	case high < 0:
		return "costs"
	case low <= 0 && high >= 0:
		return "the interval includes zero"
	default:
		return "too few rounds"
	}
}

// Write replaces the measured part of profile.md, or starts the page.
func (c *Callbacks) Write() error {
	return writeProfilePart(c.Options.Out, callbacksPart, c.Markdown())
}
