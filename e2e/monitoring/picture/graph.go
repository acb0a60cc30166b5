package picture

import (
	"fmt"
	"math"
	"strings"
)

// style follows the reader's light or dark page.
const style = `<style>
  text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #24292f; }
  .page { fill: #f6f8fa; }
  .panel { fill: #ffffff; stroke: #d0d7de; }
  .title { font-size: 15px; font-weight: 600; }
  .panel-title { font-size: 13px; font-weight: 600; }
  .small { font-size: 11px; fill: #57606a; }
  .grid { stroke: #d8dee4; stroke-width: 1; }
  .line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
  .c0 { stroke: #0969da; } .c1 { stroke: #bc4c00; } .c2 { stroke: #1a7f37; } .c3 { stroke: #8250df; }
  .bar { fill: #cf222e; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .page { fill: #0d1117; }
    .panel { fill: #161b22; stroke: #30363d; }
    .small { fill: #9198a1; }
    .grid { stroke: #30363d; }
    .c0 { stroke: #4493f8; } .c1 { stroke: #f0883e; } .c2 { stroke: #3fb950; } .c3 { stroke: #ab7df8; }
    .bar { fill: #f85149; }
  }
</style>`

// colours is their number in the style.
const colours = 4

// minuteStep is between two lines of the grid.
const minuteStep = 2

// legendWidth is what a name takes, about: a character is some six pixels wide.
func legendWidth(name string) float64 { return float64(len(name))*6 + 34 }

func legendRows(p *Panel) int {
	rows, used := 1, 0.0
	for _, line := range p.Lines {
		width := legendWidth(line.Name)
		if used > 0 && used+width > float64(p.Width*columnWidth-gap-20) {
			rows, used = rows+1, 0
		}
		used += width
	}
	return rows
}

func (d *drawing) graph(p *Panel, f frame) {
	highest := 0.0
	for _, line := range p.Lines {
		for _, point := range line.Points {
			if !math.IsNaN(point.Value) && !math.IsInf(point.Value, 0) {
				highest = max(highest, point.Value)
			}
		}
	}
	step := gridStep(highest)
	f.top = math.Max(math.Ceil(highest/step)*step, step)
	for value := 0.0; value <= f.top+step/2; value += step {
		d.add(`<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, f.left, f.y(value), f.right, f.y(value))
		d.text("small", "end", f.left-6, f.y(value)+4, withUnit(value, p.Unit))
	}
	d.minutes(f)
	for i, line := range p.Lines {
		d.add(`<path class="line c%d" d="%s"/>`, i%colours, path(line, f))
	}
	d.legend(p, f)
}

// minutes draws the lines of the horizontal axis.
func (d *drawing) minutes(f frame) {
	for minute := 0.0; minute <= f.minutes; minute += minuteStep {
		d.add(`<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, f.x(minute), f.upper, f.x(minute), f.lower)
		label := fmt.Sprintf("%g", minute)
		if minute == 0 {
			label += " min"
		}
		d.text("small", "middle", f.x(minute), f.lower+14, label)
	}
}

// longestGap is between two points that are joined: two steps of the queries.
const longestGap = 0.5 // minutes

// path leaves out what is below the frame.
func path(line Line, f frame) string {
	var d strings.Builder
	before := math.Inf(-1)
	for _, point := range line.Points {
		if math.IsNaN(point.Value) || math.IsInf(point.Value, 0) || point.Value < 0 {
			continue
		}
		command := "L"
		if point.Minute-before > longestGap {
			command = "M"
		}
		fmt.Fprintf(&d, "%s%.1f %.1f", command, f.x(point.Minute), f.y(point.Value))
		before = point.Minute
	}
	return d.String()
}

func (d *drawing) legend(p *Panel, f frame) {
	left := f.left - axisWidth + 10
	x, y := left, f.lower+axisHeight+14
	for i, line := range p.Lines {
		if x > left && x+legendWidth(line.Name) > f.right+12 {
			x, y = left, y+legendStep
		}
		d.add(`<path class="line c%d" d="M%.1f %.1fh16"/>`, i%colours, x, y-4)
		d.text("small", "start", x+21, y, line.Name)
		x += legendWidth(line.Name)
	}
}

// timeline draws a bar for each line, where it has values.
func (d *drawing) timeline(p *Panel, f frame) {
	const nameWidth = 340
	f.left += nameWidth - axisWidth
	step := (f.lower - f.upper) / float64(max(len(p.Lines), 1))
	d.minutes(f)
	for i, line := range p.Lines {
		y := f.upper + float64(i)*step
		d.text("small", "end", f.left-6, y+step/2+4, line.Name)
		for first := 0; first < len(line.Points); {
			last := first
			for last+1 < len(line.Points) && line.Points[last+1].Minute-line.Points[last].Minute <= longestGap {
				last++
			}
			from, to := f.x(line.Points[first].Minute), f.x(line.Points[last].Minute)
			d.add(`<rect class="bar" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="2"/>`, from, y+step*0.15, max(to-from, 2), step*0.7)
			first = last + 1
		}
	}
}

// gridStep gives some three to five lines at round numbers.
func gridStep(highest float64) float64 {
	if highest <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(highest)))
	for _, factor := range []float64{0.2, 0.5, 1, 2} {
		if highest/(power*factor) <= 5 {
			return power * factor
		}
	}
	return power * 5
}

// withUnit writes a value as Grafana does for the units that the dashboard has.
func withUnit(value float64, unit string) string {
	switch unit {
	case "percentunit":
		return fmt.Sprintf("%.4g %%", 100*value)
	case "reqps":
		return fmt.Sprintf("%.4g/s", value)
	case "s", "ms":
		return fmt.Sprintf("%.4g %s", value, unit)
	default:
		return fmt.Sprintf("%.4g", value)
	}
}
