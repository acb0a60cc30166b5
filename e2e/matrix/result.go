package matrix

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Result is what the tests said on one version of Envoy.
type Result struct {
	Version string
	Took    time.Duration

	passed   int
	failures []string // names
	skips    []skip
	calls    string // what TestManyCalls has measured

	progress io.Writer
}

type skip struct{ test, reason string }

// Failed is how many tests did, those of a package that did not build or did not end included.
func (r *Result) Failed() int { return len(r.failures) }

// event is a line that go test -json prints: https://pkg.go.dev/cmd/test2json
type event struct {
	Action     string
	Package    string
	Test       string
	Output     string
	Key, Value string // of an attribute
}

// callsAttribute is what TestManyCalls tells by testing.T.Attr.
const callsAttribute = "calls"

// read reads the events of a run to its end. A test counts once, with all its parts; what the failing ones print is shown.
func (r *Result) read(events io.Reader) error {
	printed := map[string][]string{} // by test, until it ends
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, 1<<24) // a failed test shows Envoy's log
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintf(r.progress, "%s\n", lines.Bytes()) // go itself, not a test
			continue
		}
		name := strings.TrimSuffix(e.Package+"."+e.Test, ".")
		switch e.Action {
		case "build-output":
			fmt.Fprint(r.progress, e.Output)
		case "output":
			printed[name] = append(printed[name], e.Output)
		case "attr":
			if e.Key == callsAttribute {
				r.calls = e.Value
			}
		case "pass", "fail", "skip":
			r.end(e, name, printed[name])
			delete(printed, name)
		}
	}
	return lines.Err()
}

// end is for the end of a test, of a part of one, or of a package.
func (r *Result) end(e event, name string, printed []string) {
	isPackage, isPart := e.Test == "", strings.Contains(e.Test, "/")
	if e.Action == "fail" {
		fmt.Fprint(r.progress, strings.Join(printed, ""))
	}
	switch {
	case isPackage && e.Action == "fail" && !r.hasFailure(name):
		r.failures = append(r.failures, name) // it was not built, or its tests did not come to their end
	case isPackage:
		fmt.Fprintf(r.progress, "  %s: %s\n", name, e.Action)
	case e.Action == "skip":
		r.skips = append(r.skips, skip{e.Test, reason(printed)})
	case isPart:
	case e.Action == "fail":
		r.failures = append(r.failures, name)
	default:
		r.passed++
	}
}

// hasFailure reports whether a test of the package has failed, which makes the package fail too.
func (r *Result) hasFailure(name string) bool {
	return slices.ContainsFunc(r.failures, func(test string) bool { return strings.HasPrefix(test, name+".") })
}

// reason is what a test that was skipped gave as one: the line after which it was.
func reason(printed []string) string {
	for _, line := range printed {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			_, text, found := strings.Cut(line, ": ")
			if found {
				return text
			}
			return line
		}
	}
	return "no reason given"
}
