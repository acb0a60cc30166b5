package monitoring_test

import (
	"bufio"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"token-fetch/e2e/monitoring/outage"
)

var seriesName = regexp.MustCompile(`^\s*(token_fetch_\w+)\{`)

// namesOf are the plugin's metrics of a scrape or of the recording.
func namesOf(text string) map[string]bool {
	names := map[string]bool{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if match := seriesName.FindStringSubmatch(lines.Text()); match != nil {
			names[match[1]] = true
		}
	}
	return names
}

// selectorsOf are those of an expression.
func selectorsOf(t *testing.T, expression string) []*parser.VectorSelector {
	t.Helper()
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expression)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	var found []*parser.VectorSelector
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if selector, isOne := node.(*parser.VectorSelector); isOne {
			found = append(found, selector)
		}
		return nil
	})
	return found
}

// Rules and dashboard name metrics that the plugin as it is now has, or that the rules make of them; and so does the
// recording, which is of an earlier day.
func TestNames(t *testing.T) {
	gateway := outage.Start(t)
	outage.Load(t, gateway)
	names := namesOf(gateway.Admin(t, "/stats/prometheus"))
	p := newPrometheus(t)
	made := map[string]bool{"ALERTS": true}
	var expressions []string
	for _, group := range p.groups {
		for _, rule := range group.Rules() {
			made[rule.Name()] = true
			expressions = append(expressions, rule.Query().String())
		}
	}
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			expressions = append(expressions, expression(target.Expr))
		}
	}
	for _, written := range expressions {
		for _, selector := range selectorsOf(t, written) {
			if !matchesOne(selector, names) && !matchesOne(selector, made) {
				t.Errorf("%s: %s matches no metric of the plugin", written, selector)
			}
		}
	}
	recorded, err := os.ReadFile(recordingFile)
	if err != nil {
		t.Fatal(err)
	}
	for name := range namesOf(string(recorded)) {
		if !names[name] {
			t.Errorf("the recording has %s, which the plugin has not: make record-outage", name)
		}
	}
}

func matchesOne(selector *parser.VectorSelector, names map[string]bool) bool {
	for _, matcher := range selector.LabelMatchers {
		if matcher.Name != model.MetricNameLabel {
			continue
		}
		for name := range names {
			if matcher.Matches(name) {
				return true
			}
		}
	}
	return false
}
