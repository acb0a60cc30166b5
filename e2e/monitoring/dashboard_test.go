package monitoring_test

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"

	"token-fetch/e2e/chart"
)

// dashboard is what this test needs of Grafana's format.
type dashboard struct {
	Panels []struct {
		Title   string
		Type    string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ Expr, LegendFormat string }

		FieldConfig struct{ Defaults struct{ Unit string } }
	}
}

func readDashboard(t *testing.T) *dashboard {
	t.Helper()
	data, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	d := &dashboard{}
	if err := json.Unmarshal(data, d); err != nil {
		t.Fatalf("%s: %v", dashboardFile, err)
	}
	return d
}

// expression replaces the variables as Grafana does: all jobs, and four scrapes of 15 s.
func expression(written string) string {
	return strings.NewReplacer("$__rate_interval", "1m", "$job", ".*").Replace(written)
}

// Each query of the dashboard is one for Prometheus' parser, and returns data for the recording.
func TestDashboard(t *testing.T) {
	p := newPrometheus(t)
	p.evaluate(t, nil)
	d := readDashboard(t)
	if len(d.Panels) == 0 {
		t.Fatalf("%s has no panels", dashboardFile)
	}
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			query := expression(target.Expr)
			if _, err := parser.NewParser(parser.Options{}).ParseExpr(query); err != nil {
				t.Errorf("%s: %s: %v", panel.Title, query, err)
				continue
			}
			if strings.Contains(query, "$") {
				t.Errorf("%s: %s: got an unknown variable", panel.Title, query)
			}
			if len(p.query(t, query)) == 0 {
				t.Errorf("%s: %s: got no data, expected some", panel.Title, query)
			}
		}
	}
}

const pictureFile = "../../docs/dashboard.svg"

// The picture in the documentation is what the dashboard shows of the recording. DASHBOARD=write writes it.
func TestDashboardPicture(t *testing.T) {
	p := newPrometheus(t)
	p.evaluate(t, nil)
	var panels []chart.Panel
	var places []chart.Place
	for _, panel := range readDashboard(t).Panels {
		drawn := chart.Panel{Title: panel.Title, Timeline: panel.Type == "state-timeline", Minutes: p.recording.End().Minutes()}
		unit := units[panel.FieldConfig.Defaults.Unit]
		drawn.Unit = unit.name
		for _, target := range panel.Targets {
			for _, series := range p.query(t, expression(target.Expr)) {
				line := chart.Line{Name: legend(target.LegendFormat, series.Metric.Get)}
				for _, point := range series.Floats {
					line.Points = append(line.Points, chart.Point{Minute: float64(point.T) / 60_000, Value: point.F * max(unit.factor, 1)})
				}
				drawn.Lines = append(drawn.Lines, line)
			}
		}
		panels = append(panels, drawn)
		places = append(places, chart.Place{X: panel.GridPos.X, Y: panel.GridPos.Y, Width: panel.GridPos.W, Height: panel.GridPos.H})
	}
	svg, err := chart.Curves(panels, places)
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("DASHBOARD") == "write" {
		if err := os.WriteFile(pictureFile, svg, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(pictureFile)
	if err != nil || !bytes.Equal(written, svg) {
		t.Errorf("%s: got another picture than that of the dashboard and the recording (%v); write it with make dashboard", pictureFile, err)
	}
}

// units are Grafana's, as the axes of the picture name them.
var units = map[string]struct {
	name   string
	factor float64
}{
	"reqps":       {name: "requests/s"},
	"s":           {name: "seconds"},
	"ms":          {name: "ms"},
	"percentunit": {name: "%", factor: 100},
}

var legendLabel = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)

// legend puts the labels of a series into Grafana's format for legends.
func legend(format string, label func(string) string) string {
	return legendLabel.ReplaceAllStringFunc(format, func(found string) string {
		return label(legendLabel.FindStringSubmatch(found)[1])
	})
}
