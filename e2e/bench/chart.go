package bench

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Measures of the chart, in pixels.
const (
	chartWidth = 900
	labelWidth = 310 // left of the bars
	valueWidth = 60  // right of the longest bar
	barHeight  = 18
	barStep    = 27
	groupStep  = 30 // for the heading of a group
	chartTop   = 62
	axisHeight = 34
)

// chartStyle follows the reader's light or dark page. The numbers have a rim in
// the page's colour where a line of the grid passes behind them.
const chartStyle = `<style>
  text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #24292f; }
  .page { fill: #ffffff; }
  .title { font-size: 15px; font-weight: 600; }
  .small { font-size: 12px; fill: #57606a; }
  .plugin { font-weight: 600; }
  .value { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; }
  .grid { stroke: #d0d7de; stroke-width: 1; }
  .bar { fill: #8c959f; }
  .bar-plugin { fill: #0969da; }
  .range { stroke: #24292f; stroke-width: 1.2; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .page { fill: #0d1117; }
    .small { fill: #9198a1; }
    .value { stroke: #0d1117; }
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
	bottom := place(bars)
	axis := axis{step: gridStep(longest), bottom: bottom}
	axis.end = math.Ceil(longest/axis.step) * axis.step

	var svg strings.Builder
	fmt.Fprintf(&svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\" aria-label=\"%s\">\n",
		chartWidth, bottom+axisHeight, chartWidth, html.EscapeString(title))
	svg.WriteString(chartStyle)
	svg.WriteString("<rect class=\"page\" width=\"100%\" height=\"100%\" rx=\"6\"/>\n")
	writeText(&svg, "title", "start", 12, 24, title)
	writeText(&svg, "small", "start", 12, 44, r.subtitle())
	axis.draw(&svg)
	for i, bar := range bars {
		if bar.Group != "" && (i == 0 || bars[i-1].Group != bar.Group) {
			writeText(&svg, "small", "end", labelWidth-10, float64(bar.y-9), bar.Group)
		}
		bar.draw(&svg, axis.x)
	}
	svg.WriteString("</svg>\n")
	return svg.String()
}

func writeText(svg *strings.Builder, class, anchor string, x, y float64, text string) {
	fmt.Fprintf(svg, "<text class=\"%s\" text-anchor=\"%s\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", class, anchor, x, y, html.EscapeString(text))
}

// axis runs from left to right, with a line every step.
type axis struct {
	step, end float64
	bottom    int
}

func (a axis) x(value float64) float64 {
	return labelWidth + value/a.end*(chartWidth-labelWidth-valueWidth)
}

func (a axis) draw(svg *strings.Builder) {
	for value := 0.0; value <= a.end; value += a.step {
		fmt.Fprintf(svg, "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n",
			a.x(value), chartTop-6, a.x(value), a.bottom)
		writeText(svg, "small", "middle", a.x(value), float64(a.bottom+18), fmt.Sprintf("%g", value))
	}
}

// bar is one candidate; value has one number per round.
type bar struct {
	candidate
	value series
	y     int
}

// place puts the bars below each other, with room for the headings, and returns
// where they end.
func place(bars []bar) (bottom int) {
	y := chartTop
	for i := range bars {
		if bars[i].Group != "" && (i == 0 || bars[i-1].Group != bars[i].Group) {
			y += groupStep
		}
		bars[i].y = y
		y += barStep
	}
	return y
}

func (b bar) draw(svg *strings.Builder, x func(float64) float64) {
	label, fill := "label", "bar"
	if b.isPlugin() {
		label, fill = "plugin", "bar-plugin"
	}
	middle := float64(b.y) + barHeight/2
	writeText(svg, label, "end", labelWidth-10, middle+4.5, b.Name)
	fmt.Fprintf(svg, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\"/>\n",
		fill, labelWidth, b.y, x(b.value.median())-labelWidth, barHeight)
	fmt.Fprintf(svg, "<line class=\"range\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
		x(b.value.min()), middle, x(b.value.max()), middle)
	writeText(svg, label+" value", "start", x(b.value.max())+8, middle+4.5, fmt.Sprintf("%.0f", b.value.median()))
}

func (r *Report) bars() (title string, bars []bar) {
	for _, t := range r.Throughput {
		if t.CPU.measured() {
			bars = append(bars, bar{candidate: t.candidate, value: t.CPU})
		}
	}
	if len(bars) > 0 {
		return "CPU time of Envoy per request, µs", bars
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
	return fmt.Sprintf("less is better; %s; Envoy %s, %s, %s", medianOf(r.Options.Rounds),
		r.Machine.EnvoyVersion, orUnknown(r.Machine.CPU), r.Began.UTC().Format("2006-01-02"))
}

// medianOf is for titles.
func medianOf(rounds int) string {
	if rounds == 1 {
		return "one round"
	}
	return fmt.Sprintf("median of %d rounds, the line shows their extremes", rounds)
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
