package monitoring_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"

	"token-fetch/e2e/monitoring/picture"
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
				t.Errorf("%s: %s: got a variable that nobody replaces", panel.Title, query)
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
	page := picture.Page{Title: "token-fetch: a scripted outage of a real gateway", Minutes: p.recording.End().Minutes()}
	for _, panel := range readDashboard(t).Panels {
		drawn := picture.Panel{
			Title: panel.Title, Unit: panel.FieldConfig.Defaults.Unit, IsTimeline: panel.Type == "state-timeline",
			X: panel.GridPos.X, Y: panel.GridPos.Y, Width: panel.GridPos.W, Height: panel.GridPos.H,
		}
		for _, target := range panel.Targets {
			for _, series := range p.query(t, expression(target.Expr)) {
				line := picture.Line{Name: picture.Legend(target.LegendFormat, series.Metric.Get)}
				for _, point := range series.Floats {
					line.Points = append(line.Points, picture.Point{Minute: float64(point.T) / 60_000, Value: point.F})
				}
				drawn.Lines = append(drawn.Lines, line)
			}
		}
		page.Panels = append(page.Panels, drawn)
	}
	svg := page.SVG()
	if os.Getenv("DASHBOARD") == "write" {
		if err := os.WriteFile(pictureFile, []byte(svg), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(pictureFile)
	if err != nil || string(written) != svg {
		t.Errorf("%s: got another picture than that of the dashboard and the recording (%v); write it with make dashboard", pictureFile, err)
	}
}
