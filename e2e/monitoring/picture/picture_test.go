package picture

import (
	"math"
	"strings"
	"testing"
)

func TestLegend(t *testing.T) {
	labels := map[string]string{"token_service": "orders", "reason": "no_answer"}
	for format, want := range map[string]string{
		"{{token_service}}, {{ reason }}": "orders, no_answer",
		"median":                          "median",
		"{{other}}!":                      "!",
	} {
		if got := Legend(format, func(name string) string { return labels[name] }); got != want {
			t.Errorf("%s: got %q, expected %q", format, got, want)
		}
	}
}

func TestPath(t *testing.T) {
	f := frame{left: 0, right: 100, upper: 0, lower: 10, minutes: 10, top: 10}
	tests := map[string]struct {
		points []Point
		want   string
	}{
		"a line":              {[]Point{{0, 0}, {0.25, 5}, {0.5, 10}}, "M0.0 10.0L2.5 5.0L5.0 0.0"},
		"a gap":               {[]Point{{0, 0}, {0.25, 0}, {1, 0}}, "M0.0 10.0L2.5 10.0M10.0 10.0"},
		"no numbers":          {[]Point{{0, math.NaN()}, {0.25, math.Inf(1)}, {0.5, 1}}, "M5.0 9.0"},
		"below the frame":     {[]Point{{0, 1}, {0.25, -1}, {0.5, 1}}, "M0.0 9.0L5.0 9.0"},
		"nothing to be drawn": {nil, ""},
	}
	for name, test := range tests {
		if got := path(Line{Points: test.points}, f); got != test.want {
			t.Errorf("%s: got %q, expected %q", name, got, test.want)
		}
	}
}

func TestPageIsEscaped(t *testing.T) {
	p := Page{Title: "a < b", Minutes: 2, Panels: []Panel{
		{Title: `"quoted" & more`, Width: 24, Height: 8, Lines: []Line{{Name: "<line>", Points: []Point{{0, 1}, {0.25, 2}}}}},
		{Title: "empty", IsTimeline: true, Y: 8, Width: 24, Height: 4},
	}}
	svg := p.SVG()
	for _, raw := range []string{"a < b", `"quoted"`, "<line>"} {
		if strings.Contains(svg, raw) {
			t.Errorf("got %q unescaped", raw)
		}
	}
	if !strings.HasPrefix(svg, "<svg ") || !strings.HasSuffix(svg, "</svg>\n") {
		t.Errorf("got %.40s ..., expected an SVG", svg)
	}
}
