package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// standardLibrary is what govulncheck calls it where others have a module's path.
const standardLibrary = "stdlib"

// findings are the vulnerabilities that are called, each once, in order.
type findings []finding

type finding struct {
	id, module, version, fixed string
	summary                    string
	example                    string // one of the functions that are called
}

// message is one of the JSON values that govulncheck writes; those that are not needed stay empty.
// See golang.org/x/vuln/internal/govulncheck.
type message struct {
	OSV *struct {
		ID      string `json:"id"`
		Summary string `json:"summary"`
	} `json:"osv"`
	Finding *struct {
		OSV          string  `json:"osv"`
		FixedVersion string  `json:"fixed_version"`
		Trace        []frame `json:"trace"`
	} `json:"finding"`
}

// frame is a step on the way to what is vulnerable, which comes first. It has a function if
// that is called, else only a package that is imported or a module that is required.
type frame struct {
	Module   string `json:"module"`
	Version  string `json:"version"`
	Package  string `json:"package"`
	Function string `json:"function"`
}

// read keeps what is called.
func read(output []byte) (findings, error) {
	summaries, seen := map[string]string{}, map[string]bool{}
	var found findings
	decoder := json.NewDecoder(bytes.NewReader(output))
	for {
		var m message
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if m.OSV != nil {
			summaries[m.OSV.ID] = m.OSV.Summary
		}
		if m.Finding == nil || len(m.Finding.Trace) == 0 || m.Finding.Trace[0].Function == "" {
			continue
		}
		called := m.Finding.Trace[0]
		if key := m.Finding.OSV + " " + called.Module; !seen[key] {
			seen[key] = true
			found = append(found, finding{id: m.Finding.OSV, module: called.Module, version: called.Version,
				fixed: m.Finding.FixedVersion, example: called.Package + "." + called.Function})
		}
	}
	for i := range found {
		found[i].summary = summaries[found[i].id]
	}
	slices.SortFunc(found, func(a, b finding) int { return strings.Compare(a.module+a.id, b.module+b.id) })
	return found, nil
}

// report prints a line for each finding and returns the number of those that are errors.
func (f findings) report(out io.Writer, what string) int {
	fmt.Fprintf(out, "%s:\n", what)
	failed := 0
	for _, found := range f {
		kind := "warning"
		if found.module != standardLibrary {
			kind = "error"
			failed++
		}
		fixed := "not fixed yet"
		if found.fixed != "" {
			fixed = "fixed in " + found.fixed
		}
		fmt.Fprintf(out, "  %s: %s %s, %s: %s (%s, calls %s)\n",
			kind, found.module, found.version, fixed, found.id, found.summary, found.example)
	}
	if len(f) == 0 {
		fmt.Fprintln(out, "  nothing that is called has a known vulnerability")
	}
	return failed
}
