// Package monitoring_test evaluates the rules and the dashboard of deploy/monitoring with Prometheus' own engine, on
// statistics recorded from a real gateway during a scripted outage.
package monitoring_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"

	"token-fetch/e2e/monitoring/outage"
)

const (
	rulesFile     = "../../deploy/monitoring/rules.yaml"
	dashboardFile = "../../deploy/monitoring/dashboard.json"
	recordingFile = "testdata/outage.txt"

	// evaluationPeriod is that of the rules, and the step of the dashboard's queries.
	evaluationPeriod = 15 * time.Second
)

// ruleGroups are the groups of the file, in its order.
var ruleGroups = []string{"token-fetch-services", "token-fetch-alerts"}

// prometheus is an engine with a storage that has the recording, and a manager of rules.
type prometheus struct {
	recording *outage.Recording
	storage   storage.Storage
	engine    *promql.Engine
	groups    []*rules.Group
}

// newPrometheus has the recording of the outage.
func newPrometheus(t *testing.T) *prometheus {
	t.Helper()
	return newPrometheusOf(t, recordingFile)
}

// newPrometheusOf configures them as Prometheus does by default.
func newPrometheusOf(t *testing.T, file string) *prometheus {
	t.Helper()
	recording, load, err := outage.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	store := promqltest.LoadedStorage(t, load)
	engine := promqltest.NewTestEngineWithOpts(t, promql.EngineOpts{
		MaxSamples: 50_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute,
		EnableAtModifier: true, EnableNegativeOffset: true, Parser: parser.NewParser(parser.Options{}),
	})
	manager := rules.NewManager(&rules.ManagerOptions{
		Context: context.Background(), Logger: slog.New(promslog.NewNopLogger().Handler()),
		QueryFunc: rules.EngineQueryFunc(engine, store), Queryable: store, AppendableV2: store,
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
	})
	loaded, errs := manager.LoadGroups(evaluationPeriod, labels.EmptyLabels(), "", nil, false, rulesFile)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	p := &prometheus{recording: recording, storage: store, engine: engine}
	for _, name := range ruleGroups {
		group := loaded[rules.GroupKey(rulesFile, name)]
		for _, rule := range group.AlertingRules() {
			rule.SetRestored(true) // there is nothing to restore; ALERTS is written from now on
		}
		p.groups = append(p.groups, group)
	}
	if len(loaded) != len(ruleGroups) {
		t.Fatalf("%s: got %d groups, expected %v", rulesFile, len(loaded), ruleGroups)
	}
	return p
}

// start is that of the recording: Prometheus' notation for series begins at 0.
var start = time.Unix(0, 0)

// evaluate evaluates the rules from the beginning of the recording to its end, and calls back after each time.
func (p *prometheus) evaluate(t *testing.T, after func(at time.Duration)) {
	t.Helper()
	for at := time.Duration(0); at <= p.recording.End(); at += evaluationPeriod {
		for _, group := range p.groups {
			group.Eval(t.Context(), start.Add(at))
			for _, rule := range group.Rules() {
				if err := rule.LastError(); err != nil {
					t.Fatalf("%s after %s: %v", rule.Name(), at, err)
				}
			}
		}
		if after != nil {
			after(at)
		}
	}
}

// query evaluates an expression from the beginning of the recording to its end.
func (p *prometheus) query(t *testing.T, expression string) promql.Matrix {
	t.Helper()
	query, err := p.engine.NewRangeQuery(t.Context(), p.storage, nil, expression, start, start.Add(p.recording.End()), evaluationPeriod)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	t.Cleanup(query.Close)
	matrix, err := query.Exec(t.Context()).Matrix()
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return matrix
}
