package matrix

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	ran = `{"Action":"start","Package":"e2e"}
{"Action":"run","Package":"e2e","Test":"TestGood"}
{"Action":"run","Package":"e2e","Test":"TestGood/part"}
{"Action":"attr","Package":"e2e","Test":"TestGood/part","Key":"calls","Value":"200000"}
{"Action":"attr","Package":"e2e","Test":"TestGood/part","Key":"other","Value":"1"}
{"Action":"output","Package":"e2e","Test":"TestGood/part","Output":"    good_test.go:3: 200000 requests\n"}
{"Action":"pass","Package":"e2e","Test":"TestGood/part"}
{"Action":"pass","Package":"e2e","Test":"TestGood"}
{"Action":"output","Package":"e2e","Test":"TestNew","Output":"=== RUN   TestNew\n"}
{"Action":"output","Package":"e2e","Test":"TestNew","Output":"    new_test.go:7: it needs Envoy 1.39: it has no such thing\n"}
{"Action":"output","Package":"e2e","Test":"TestNew","Output":"--- SKIP: TestNew (0.00s)\n"}
{"Action":"skip","Package":"e2e","Test":"TestNew"}
`
	passed = ran + `{"Action":"pass","Package":"e2e"}
`
	failed = ran + `{"Action":"output","Package":"e2e","Test":"TestBad/part","Output":"    bad_test.go:5: got 503\n"}
{"Action":"fail","Package":"e2e","Test":"TestBad/part"}
{"Action":"fail","Package":"e2e","Test":"TestBad"}
{"Action":"fail","Package":"e2e"}
`
	notBuilt = `{"ImportPath":"e2e [e2e.test]","Action":"build-output","Output":"a_test.go:1:1: undefined: x\n"}
{"ImportPath":"e2e [e2e.test]","Action":"build-fail"}
{"Action":"fail","Package":"e2e","FailedBuild":"e2e [e2e.test]"}
`
)

func TestRead(t *testing.T) {
	tests := map[string]struct {
		events   string
		passed   int
		failures []string
		skips    []skip
		calls    string
		printed  string
		err      string
	}{
		"all pass":          {passed, 1, nil, []skip{{"TestNew", "it needs Envoy 1.39: it has no such thing"}}, "200000", "  e2e: pass\n", ""},
		"a part fails":      {failed, 1, []string{"e2e.TestBad"}, []skip{{"TestNew", "it needs Envoy 1.39: it has no such thing"}}, "200000", "    bad_test.go:5: got 503\n  e2e: fail\n", "envoy 1.2.3: 1 tests failed"},
		"does not build":    {notBuilt, 0, []string{"e2e"}, nil, "", "a_test.go:1:1: undefined: x\n", "envoy 1.2.3: 1 tests failed"},
		"does not end":      {ran + `{"Action":"fail","Package":"e2e"}`, 1, []string{"e2e"}, []skip{{"TestNew", "it needs Envoy 1.39: it has no such thing"}}, "200000", "", "envoy 1.2.3: 1 tests failed"},
		"nothing to run":    {`{"Action":"pass","Package":"e2e"}`, 0, nil, nil, "", "  e2e: pass\n", "envoy 1.2.3: no test ran"},
		"go says something": {"go: no such tool\n" + passed, 1, nil, []skip{{"TestNew", "it needs Envoy 1.39: it has no such thing"}}, "200000", "go: no such tool\n  e2e: pass\n", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var progress strings.Builder
			r := &Result{Version: "1.2.3", progress: &progress}
			if err := r.read(strings.NewReader(test.events)); err != nil {
				t.Fatal(err)
			}
			if r.passed != test.passed || !slices.Equal(r.failures, test.failures) || !slices.Equal(r.skips, test.skips) || r.calls != test.calls {
				t.Errorf("got %d passed, failed %q, skipped %q, %q calls; expected %d, %q, %q, %q",
					r.passed, r.failures, r.skips, r.calls, test.passed, test.failures, test.skips, test.calls)
			}
			if progress.String() != test.printed {
				t.Errorf("printed %q, expected %q", progress.String(), test.printed)
			}
			if err := orNone(Results{r}.Err()); err != test.err {
				t.Errorf("got the error %q, expected %q", err, test.err)
			}
		})
	}
}

func orNone(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestTable(t *testing.T) {
	results := Results{
		{Version: "1.36.4", Took: 754_600 * time.Millisecond, passed: 140, calls: "200000", skips: []skip{{"TestNew", "not there"}}},
		{Version: "1.40.0", Took: 12 * time.Minute, passed: 140, failures: []string{"e2e.TestBad"}, calls: "200000"},
	}
	const table = `| Envoy | tests passed | failed | skipped | requests with a token call each | took |
| --- | --- | --- | --- | --- | --- |
| 1.36.4 | 140 | 0 | 1 | 200000 | 12m35s |
| 1.40.0 | 140 | 1 | 0 | 200000 | 12m0s |
`
	if got := results.Table(); got != table {
		t.Errorf("got the table\n%s, expected\n%s", got, table)
	}
	if got, want := results.Notes(), "1.36.4 skipped: TestNew (not there)\n1.40.0 failed: e2e.TestBad\n"; got != want {
		t.Errorf("got the notes %q, expected %q", got, want)
	}
}
