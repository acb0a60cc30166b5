package main

import (
	"strings"
	"testing"
)

// output is govulncheck's, shortened: two findings of one vulnerability that is called, one that is
// only imported, one of the standard library.
const output = `{"config": {"scanner_name": "govulncheck"}}
{"osv": {"id": "GO-1", "summary": "Panic"}}
{"osv": {"id": "GO-2", "summary": "Crash"}}
{"finding": {"osv": "GO-1", "fixed_version": "v1.1.0", "trace": [{"module": "example.com/a", "version": "v1.0.0"}]}}
{"finding": {"osv": "GO-1", "fixed_version": "v1.1.0", "trace": [{"module": "example.com/a", "version": "v1.0.0", "package": "example.com/a/x", "function": "F"}]}}
{"finding": {"osv": "GO-1", "fixed_version": "v1.1.0", "trace": [{"module": "example.com/a", "version": "v1.0.0", "package": "example.com/a/x", "function": "G"}]}}
{"finding": {"osv": "GO-3", "trace": [{"module": "example.com/b", "version": "v1.0.0", "package": "example.com/b"}]}}
{"finding": {"osv": "GO-2", "trace": [{"module": "stdlib", "version": "v1.26.8", "package": "net/http", "function": "H"}]}}
`

func TestReport(t *testing.T) {
	found, err := read([]byte(output))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	failed := found.report(&out, "plugin")
	const want = `plugin:
  error: example.com/a v1.0.0, fixed in v1.1.0: GO-1 (Panic, calls example.com/a/x.F)
  warning: stdlib v1.26.8, not fixed yet: GO-2 (Crash, calls net/http.H)
`
	if out.String() != want {
		t.Errorf("got\n%sexpected\n%s", out.String(), want)
	}
	if failed != 1 {
		t.Errorf("got %d errors, expected 1: the standard library's is a warning", failed)
	}
}

func TestReportOfNothing(t *testing.T) {
	found, err := read([]byte(`{"config": {}}`))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if failed := found.report(&out, "plugin"); failed != 0 || !strings.Contains(out.String(), "nothing that is called") {
		t.Errorf("got %d errors and %q, expected none and to hear so", failed, out.String())
	}
}

func TestBrokenOutput(t *testing.T) {
	if _, err := read([]byte(`{"finding": `)); err == nil {
		t.Error("got no error, expected one: half an output is no good news")
	}
}
