package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"token-fetch/e2e/page"
)

// profilePart is what the benchmark writes of docs/profile.md, which people write otherwise.
var (
	profilePart   = page.Part{By: "make bench BENCH_FLAGS=-profile"}
	callbacksPart = page.Part{By: "make bench BENCH_FLAGS=-callbacks"}
)

// Profile is where the time of a request with a cached token goes.
type Profile struct {
	circumstances
	Steps  []profileStep
	NoPerf string // why there are no samples; empty when there are
}

type profileStep struct {
	throughput
	split
}

// RunProfile measures step by step, from Envoy alone to the plugin.
func RunProfile(ctx context.Context, options Options) (*Profile, error) {
	var profile *Profile
	err := with(ctx, options, profileCandidates(), func(b *bench, candidates []candidate) (err error) {
		profile, err = b.profile(ctx, candidates)
		return err
	})
	return profile, err
}

func (b *bench) profile(ctx context.Context, candidates []candidate) (*Profile, error) {
	s, under, end, err := b.measuredApart(ctx, candidates)
	if err != nil {
		return nil, err
	}
	defer end()
	p := &Profile{circumstances: under}
	rounds, err := b.throughputRounds(ctx, s)
	if err != nil {
		return nil, err
	}
	if _, err := exec.LookPath("perf"); err != nil {
		p.NoPerf = "perf is not installed"
	}
	for _, t := range rounds {
		step := profileStep{throughput: t, split: unknownSplit}
		if p.NoPerf == "" {
			b.step("sampling %s", t.Name)
			if step.split, err = b.sampled(ctx, s, t.candidate); err != nil {
				p.NoPerf = "perf could not sample: " + firstLine(err.Error())
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
		p.Steps = append(p.Steps, step)
	}
	return p, nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func (p *Profile) step(name string) profileStep {
	for _, step := range p.Steps {
		if step.Name == name {
			return step
		}
	}
	return profileStep{split: unknownSplit}
}

// Markdown is the part of the page that is measured.
func (p *Profile) Markdown() string {
	var page strings.Builder
	p.write(&page)
	p.writeParts(&page)
	page.WriteString("\n")
	p.writeSteps(&page)
	return page.String()
}

// writeParts splits the CPU time of a request with a cached token by the
// differences between the steps, round by round.
func (p *Profile) writeParts(page *strings.Builder) {
	cpu := func(name string) series { return p.step(name).CPU }
	total := cpu(cached)
	var rows [][]string
	add := func(part, difference string, value series) {
		share := ""
		if value.measured() {
			share = fmt.Sprintf("%.0f %%", 100*value.over(total).median())
		}
		rows = append(rows, []string{part, difference, spread(value, "%.1f"), share})
	}
	add("Envoy's own proxying", router, cpu(router))
	add("VM boundary: entering the VM for each callback", null+" − "+router, cpu(null).minus(cpu(router)))
	add("VM boundary: the host call that sets the header", header+" − "+null, cpu(header).minus(cpu(null)))
	add("VM boundary: the host call that reads the response's status, for `invalidateOn`", cached+" − "+cachedPlain, cpu(cached).minus(cpu(cachedPlain)))
	add("this plugin's own: finding the token, counting", cachedPlain+" − "+header, cpu(cachedPlain).minus(cpu(header)))
	add("all of it", cached, total)
	add("saved: what the SDK's callbacks do on each request", cachedSDK+" − "+cached, cpu(cachedSDK).minus(total))
	add("saved: callbacks that are not exported", bareAllExports+" − "+bare, cpu(bareAllExports).minus(cpu(bare)))
	add("saved: what `wrapper.SetCtx` does on each request", hello+" − "+bareAllExports, cpu(hello).minus(cpu(bareAllExports)))
	writeTable(page, []string{"part of a request with a cached token", "measured as", "CPU, µs", "of all"}, rows)
}

// writeSteps has the steps themselves, and what perf saw in them.
func (p *Profile) writeSteps(page *strings.Builder) {
	if p.NoPerf != "" {
		fmt.Fprintf(page, "Without samples: %s.\n\n", p.NoPerf)
	}
	var rows [][]string
	for _, step := range p.Steps {
		cpu := step.CPU.median()
		rows = append(rows, []string{
			step.Name, step.About, spread(step.CPU, "%.1f"),
			part(cpu, step.Kernel), part(cpu, step.Envoy), part(cpu, step.Wasm),
		})
	}
	writeTable(page, []string{
		"step", "what it is", "CPU, µs per request",
		"kernel (sockets)", "Envoy with V8", "compiled Wasm",
	}, rows)
}

func part(cpu, share float64) string {
	if math.IsNaN(cpu) || math.IsNaN(share) {
		return "not measured"
	}
	return fmt.Sprintf("%.1f (%.0f %%)", cpu*share, share*100)
}

// Write replaces the measured part of profile.md, or starts the page.
func (p *Profile) Write() error { return writeProfilePart(p.Options.Out, profilePart, p.Markdown()) }

func writeProfilePart(out string, part page.Part, text string) error {
	path := filepath.Join(out, "profile.md")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		start := "# Profile\n\n"
		for _, part := range []page.Part{profilePart, callbacksPart} {
			start += part.Begin() + part.End()
		}
		if err := os.WriteFile(path, []byte(start), 0o644); err != nil {
			return err
		}
	}
	return part.Replace(path, text)
}
