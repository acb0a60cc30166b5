package bench

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Measures of the chart, in pixels.
const (
	chartWidth = 860
	labelWidth = 270 // left of the bars
	valueWidth = 70  // right of the longest bar
	barHeight  = 18
	barStep    = 28
	chartTop   = 64
	axisHeight = 40
)

// chartStyle follows the reader's light or dark page.
const chartStyle = `<style>
  text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #24292f; }
  .title { font-size: 15px; font-weight: 600; }
  .small { font-size: 12px; fill: #57606a; }
  .plugin { font-weight: 600; }
  .grid { stroke: #d0d7de; stroke-width: 1; }
  .bar { fill: #8c959f; }
  .bar-plugin { fill: #0969da; }
  .range { stroke: #24292f; stroke-width: 1.2; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .small { fill: #9198a1; }
    .grid { stroke: #3d444d; }
    .bar { fill: #768390; }
    .bar-plugin { fill: #4493f8; }
    .range { stroke: #e6edf3; }
  }
</style>
`

// chart draws the CPU time of Envoy per request, a bar for each candidate; where
// CPU time is not measured, it draws what a request takes at saturation.
func (r *Report) chart() string {
	title, bars := r.bars()
	longest := 0.0
	for _, bar := range bars {
		longest = max(longest, bar.value.max())
	}
	step := gridStep(longest)
	end := math.Ceil(longest/step) * step
	bottom := chartTop + len(bars)*barStep
	scale := func(value float64) float64 {
		return labelWidth + value/end*(chartWidth-labelWidth-valueWidth)
	}

	var svg strings.Builder
	fmt.Fprintf(&svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\" aria-label=\"%s\">\n",
		chartWidth, bottom+axisHeight, chartWidth, html.EscapeString(title))
	svg.WriteString(chartStyle)
	fmt.Fprintf(&svg, "<text class=\"title\" x=\"12\" y=\"24\">%s</text>\n", html.EscapeString(title))
	fmt.Fprintf(&svg, "<text class=\"small\" x=\"12\" y=\"44\">%s</text>\n", html.EscapeString(r.subtitle()))
	for value := 0.0; value <= end; value += step {
		x := scale(value)
		fmt.Fprintf(&svg, "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n", x, chartTop-4, x, bottom)
		fmt.Fprintf(&svg, "<text class=\"small\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n", x, bottom+18, value)
	}
	for i, bar := range bars {
		bar.draw(&svg, chartTop+i*barStep, scale)
	}
	svg.WriteString("</svg>\n")
	return svg.String()
}

// bar is one candidate; value has one number per round.
type bar struct {
	candidate
	value series
}

func (b bar) draw(svg *strings.Builder, y int, scale func(float64) float64) {
	label, fill := "label", "bar"
	if b.isPlugin() {
		label, fill = "plugin", "bar-plugin"
	}
	left, middle := scale(0), float64(y)+barHeight/2
	fmt.Fprintf(svg, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
		label, left-10, middle+4.5, html.EscapeString(b.Name))
	fmt.Fprintf(svg, "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\"/>\n",
		fill, left, y, scale(b.value.median())-left, barHeight)
	// The extremes of the rounds, as a thin line over the bar's end.
	fmt.Fprintf(svg, "<line class=\"range\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
		scale(b.value.min()), middle, scale(b.value.max()), middle)
	fmt.Fprintf(svg, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">%.0f</text>\n",
		label, scale(b.value.max())+8, middle+4.5, b.value.median())
}

func (r *Report) bars() (title string, bars []bar) {
	title = "CPU time of Envoy per request, µs"
	for _, t := range r.Throughput {
		if t.CPU.measured() {
			bars = append(bars, bar{candidate: t.candidate, value: t.CPU})
		}
	}
	if len(bars) > 0 {
		return title, bars
	}
	for _, t := range r.Throughput {
		var perRequest series
		for _, rate := range t.Rate {
			perRequest = append(perRequest, 1e6/rate)
		}
		bars = append(bars, bar{candidate: t.candidate, value: perRequest})
	}
	return "Time per request at saturation, µs", bars
}

func (r *Report) subtitle() string {
	return fmt.Sprintf("less is better; median of %d rounds, the line shows their extremes; Envoy %s, %s, %s",
		r.Options.Rounds, r.Machine.EnvoyVersion, orUnknown(r.Machine.CPU), r.Began.UTC().Format("2006-01-02"))
}

// gridStep gives four to ten lines at round numbers.
func gridStep(longest float64) float64 {
	if longest <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(longest)))
	for _, factor := range []float64{0.2, 0.5, 1} {
		if longest/(power*factor) <= 8 {
			return power * factor
		}
	}
	return power * 2
}
