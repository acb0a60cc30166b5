// Package picture draws a dashboard as Grafana would lay it out: plainly, and from the same data.
package picture

import (
	"fmt"
	"html"
	"regexp"
	"strings"
)

// Page is a dashboard.
type Page struct {
	Title   string
	Minutes float64 // that the horizontal axes show
	Panels  []Panel
}

// Panel is a graph, with its place on Grafana's grid of 24 columns.
type Panel struct {
	Title, Unit         string
	IsTimeline          bool // a bar for each line while it has a value, in place of curves
	X, Y, Width, Height int
	Lines               []Line
}

// Line is a series.
type Line struct {
	Name   string
	Points []Point
}

// Point is a value; where a minute has none, the line is broken.
type Point struct{ Minute, Value float64 }

var legendLabel = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)

// Legend puts the labels of a series into Grafana's format for legends.
func Legend(format string, label func(string) string) string {
	return legendLabel.ReplaceAllStringFunc(format, func(found string) string {
		return label(legendLabel.FindStringSubmatch(found)[1])
	})
}

// Measures in pixels.
const (
	columnWidth = 40
	rowHeight   = 30
	gap         = 8  // between panels
	headHeight  = 44 // of the page
	titleHeight = 28 // of a panel
	axisWidth   = 52 // left of a graph
	axisHeight  = 20 // below it
	legendStep  = 16 // of a line of the legend
	columns     = 24
)

// SVG draws the page.
func (p *Page) SVG() string {
	rows := 0
	for _, panel := range p.Panels {
		rows = max(rows, panel.Y+panel.Height)
	}
	width, height := columns*columnWidth+gap, headHeight+rows*rowHeight+gap
	d := &drawing{}
	d.add(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" role="img" aria-label="%s">`, width, height, width, html.EscapeString(p.Title))
	d.add("%s", style)
	d.add(`<rect class="page" width="100%%" height="100%%" rx="6"/>`)
	d.text("title", "start", gap+4, 28, p.Title)
	for i := range p.Panels {
		d.panel(&p.Panels[i], p.Minutes)
	}
	d.add("</svg>")
	return d.svg.String()
}

// drawing is an SVG that is being written.
type drawing struct{ svg strings.Builder }

func (d *drawing) add(format string, args ...any) { fmt.Fprintf(&d.svg, format+"\n", args...) }

func (d *drawing) text(class, anchor string, x, y float64, text string) {
	d.add(`<text class="%s" text-anchor="%s" x="%.1f" y="%.1f">%s</text>`, class, anchor, x, y, html.EscapeString(text))
}

// frame is where a graph is drawn: values from 0 to top, minutes from 0.
type frame struct {
	left, right, upper, lower float64
	minutes, top              float64
}

func (f frame) x(minute float64) float64 { return f.left + minute/f.minutes*(f.right-f.left) }
func (f frame) y(value float64) float64  { return f.lower - value/f.top*(f.lower-f.upper) }

func (d *drawing) panel(p *Panel, minutes float64) {
	x, y := float64(p.X*columnWidth+gap), float64(headHeight+p.Y*rowHeight+gap)
	width, height := float64(p.Width*columnWidth-gap), float64(p.Height*rowHeight-gap)
	d.add(`<rect class="panel" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="3"/>`, x, y, width, height)
	d.text("panel-title", "start", x+10, y+19, p.Title)
	f := frame{
		left: x + axisWidth, right: x + width - 12, upper: y + titleHeight + 4, minutes: minutes,
		lower: y + height - axisHeight - 4,
	}
	if p.IsTimeline {
		d.timeline(p, f)
		return
	}
	f.lower -= float64(legendStep * legendRows(p))
	d.graph(p, f)
}
