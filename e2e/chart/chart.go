// Package chart draws the charts of the documentation as SVG: bars for the benchmark, curves for the dashboard and for
// Envoy's memory. It configures the look; a plot library does the work.
package chart

import (
	"bytes"
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

var (
	grey    = color.RGBA{0x8c, 0x95, 0x9f, 0xff}
	light   = color.RGBA{0xd8, 0xde, 0xe4, 0xff}
	palette = []color.RGBA{{0x09, 0x69, 0xda, 0xff}, {0xbc, 0x4c, 0x00, 0xff}, {0x1a, 0x7f, 0x37, 0xff}, {0x82, 0x50, 0xdf, 0xff}}
)

// sans is metrically the same as Arial, which readers have.
var sans = font.Font{Typeface: "Liberation", Variant: "Sans"}

func newPlot(title string) *plot.Plot {
	plot.DefaultFont, plotter.DefaultFont = sans, sans
	p := plot.New()
	p.Title.Text, p.Title.Padding = title, 6
	p.X.Padding, p.Y.Padding = 4, 4
	p.X.Color, p.Y.Color = grey, grey
	p.X.Tick.Color, p.Y.Tick.Color = grey, grey
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = light, light
	p.Add(grid)
	return p
}

const margin = 6

// svg draws on a page of that size, in points, within a margin.
func svg(width, height vg.Length, paint func(draw.Canvas)) ([]byte, error) {
	canvas := vgsvg.New(width, height)
	paint(draw.Crop(draw.New(canvas), margin, -margin, margin, -margin))
	var file bytes.Buffer
	_, err := canvas.WriteTo(&file)
	return bytes.ReplaceAll(file.Bytes(), []byte("font-family:Liberation Sans"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif")), err
}

// Bar is one of a chart of bars; from Low to High goes a thin line.
type Bar struct {
	Group, Label     string
	Value, Low, High float64
	Strong           bool // what the chart is about
}

// Bars draws them one below the other, with a heading before each group.
func Bars(title string, bars []Bar) ([]byte, error) {
	const step, barHeight = 17, 11
	p := newPlot(title)
	p.Y.Padding = 8
	var names []string // from below
	var values [2]plotter.Values
	var ranges struct {
		plotter.XYs
		plotter.XErrors
	}
	labels := plotter.XYLabels{}
	row := func(name string, of int, value float64) {
		names = append(names, name)
		for i := range values {
			if i != of {
				values[i] = append(values[i], 0)
			} else {
				values[i] = append(values[i], value)
			}
		}
	}
	for i := len(bars) - 1; i >= 0; i-- {
		bar, of := bars[i], 0
		if bar.Strong {
			of = 1
		}
		at := plotter.XY{X: bar.Value, Y: float64(len(names))}
		ranges.XYs = append(ranges.XYs, at)
		ranges.XErrors = append(ranges.XErrors, struct{ Low, High float64 }{bar.Value - bar.Low, bar.High - bar.Value})
		labels.XYs = append(labels.XYs, plotter.XY{X: bar.High, Y: at.Y})
		labels.Labels = append(labels.Labels, fmt.Sprintf("%.2f", bar.Value))
		row(bar.Label, of, bar.Value)
		if bar.Group != "" && (i == 0 || bars[i-1].Group != bar.Group) {
			row(bar.Group+":", -1, 0)
		}
	}
	for i, of := range values {
		drawn, err := plotter.NewBarChart(of, vg.Points(barHeight))
		if err != nil {
			return nil, err
		}
		drawn.Horizontal, drawn.LineStyle.Width = true, 0
		drawn.Color = []color.RGBA{grey, palette[0]}[i]
		p.Add(drawn)
	}
	whiskers, err := plotter.NewXErrorBars(ranges)
	if err != nil {
		return nil, err
	}
	numbers, err := plotter.NewLabels(labels)
	if err != nil {
		return nil, err
	}
	numbers.Offset = vg.Point{X: 5, Y: -3}
	p.Add(whiskers, numbers)
	p.NominalY(names...)
	p.Y.Tick.Width, p.Y.Width = 0, 0
	p.X.Min, p.X.Max = 0, 1.08*p.X.Max // room for the numbers
	return svg(800, vg.Length(60+step*len(names)), func(c draw.Canvas) { p.Draw(c) })
}

// Panel is a chart of curves over minutes.
type Panel struct {
	Title, Unit string
	Minutes     float64 // that the horizontal axis shows at least
	Timeline    bool    // a bar for each line while it has a value, in place of curves
	Lines       []Line
}

// Line is a series. Where there is no point for half a minute, it is broken.
type Line struct {
	Name   string
	Points []Point
}

// Point is a value; one that is no number or negative is left out.
type Point struct{ Minute, Value float64 }

const longestGap = 0.5

// segments are the parts that are not broken.
func (l Line) segments() (parts []plotter.XYs) {
	before := math.Inf(-1)
	for _, point := range l.Points {
		if math.IsNaN(point.Value) || math.IsInf(point.Value, 0) || point.Value < 0 {
			continue
		}
		if point.Minute-before > longestGap {
			parts = append(parts, nil)
		}
		last := len(parts) - 1
		parts[last] = append(parts[last], plotter.XY{X: point.Minute, Y: point.Value})
		before = point.Minute
	}
	return parts
}

// Place is the position of a panel on a page of 24 columns, as in Grafana.
type Place struct{ X, Y, Width, Height int }

// Curves draws panels at their places.
func Curves(panels []Panel, places []Place) ([]byte, error) {
	const column, row, gap = vg.Length(36), vg.Length(27), vg.Length(5)
	plots := make([]*plot.Plot, len(panels))
	rows := 0
	for i, panel := range panels {
		var err error
		if plots[i], err = panel.plot(); err != nil {
			return nil, fmt.Errorf("%s: %w", panel.Title, err)
		}
		rows = max(rows, places[i].Y+places[i].Height)
	}
	return svg(24*column+2*margin, vg.Length(rows)*row+2*margin, func(page draw.Canvas) {
		for i, at := range places {
			left, top := page.Min.X+vg.Length(at.X)*column, page.Max.Y-vg.Length(at.Y)*row
			right, bottom := left+vg.Length(at.Width)*column, top-vg.Length(at.Height)*row
			plots[i].Draw(draw.Canvas{Canvas: page.Canvas, Rectangle: vg.Rectangle{
				Min: vg.Point{X: left + gap, Y: bottom + gap}, Max: vg.Point{X: right - gap, Y: top - gap},
			}})
		}
	})
}

func (panel Panel) plot() (*plot.Plot, error) {
	p := newPlot(panel.Title)
	p.X.Label.Text, p.Y.Label.Text = "minutes", panel.Unit
	names := make([]string, len(panel.Lines))
	for i, line := range panel.Lines {
		names[i] = line.Name
		for part, points := range line.segments() {
			style := draw.LineStyle{Color: palette[i%len(palette)], Width: 1.4}
			if panel.Timeline {
				style.Color, style.Width = palette[1], 8
				for j := range points {
					points[j].Y = float64(i)
				}
			}
			drawn, err := plotter.NewLine(points)
			if err != nil {
				return nil, err
			}
			drawn.LineStyle = style
			p.Add(drawn)
			if part == 0 && !panel.Timeline {
				p.Legend.Add(line.Name, drawn)
			}
		}
	}
	p.X.Min, p.X.Max = 0, math.Max(p.X.Max, panel.Minutes)
	if panel.Timeline {
		p.NominalY(names...)
		p.Y.Min, p.Y.Max = -0.5, float64(len(names))-0.5
		return p, nil
	}
	p.Y.Min, p.Y.Max = 0, (1.05+0.08*float64(len(names)))*p.Y.Max // room for the legend
	p.Legend.Top, p.Legend.Left, p.Legend.ThumbnailWidth = true, true, 14
	p.Legend.TextStyle = text.Style{Font: sans, Handler: plot.DefaultTextHandler}
	p.Legend.TextStyle.Font.Size = 9
	return p, nil
}
