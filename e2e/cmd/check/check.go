package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"token-fetch/e2e/manifest"
	"token-fetch/e2e/vm"
)

// checker starts the plugin with what a file has.
type checker struct {
	modules *modules
	env     func(name string) (string, bool) // of whoever runs the check
}

// report is what is said about one configuration.
type report struct {
	title    string
	refusal  string // why the gateway does not take it; empty when it does
	warnings []string
	absent   bool // the gateway takes it and configures no plugin
	summary  summary
	env      []variable
	secrets  []string
}

func (c checker) checkFile(ctx context.Context, path string, file *manifest.File, stdout io.Writer) (bool, error) {
	ok := true
	for _, p := range file.Plugins {
		r, err := c.check(ctx, p, file.Clusters)
		if err != nil {
			return false, err
		}
		r.title = strings.TrimSuffix(path+": "+p.Name, ": ")
		r.write(stdout)
		ok = ok && r.refusal == ""
	}
	for _, ignored := range file.Ignored {
		fmt.Fprintf(stdout, "%s: ignored: %s\n", path, printable(ignored))
	}
	return ok, nil
}

// check starts the plugin as the manifest's gateway would.
func (c checker) check(ctx context.Context, p *manifest.Plugin, clusters []string) (report, error) {
	r := report{warnings: slices.Clone(p.Warnings), absent: p.Absent}
	if p.Err != nil {
		r.refusal = p.Err.Error()
		return r, nil
	}
	if p.Absent {
		return r, nil
	}
	s := newStandIns(p, c.env)
	plugin, err := c.modules.load(ctx, p)
	if err != nil {
		return r, err
	}
	start, err := plugin.Start(ctx, s.config, s.environment)
	if err != nil {
		return r, err
	}
	for _, line := range start.Lines {
		if line.Level == vm.Warn {
			r.warnings = append(r.warnings, line.Text)
		}
	}
	if !start.OK {
		r.refusal = refusal(start, p) + s.hint(refusal(start, p))
		return r, nil
	}
	r.secrets, r.env = p.Secrets, s.variables
	r.summary = summarize(p.Config)
	r.warnings = append(r.warnings, s.warnings(p)...)
	if redisCluster(p.Config) != "" {
		r.warnings = append(r.warnings, "cache.redis needs "+withRedis+", which only Higress loads")
	}
	r.warnings = append(r.warnings, missingClusters(r.summary.clusters, clusters)...)
	return r, nil
}

var ruleNumber = regexp.MustCompile(`_rules_\[(\d+)\]`)

// refusal is the error that the gateway's log would have, with the place of the rule in the manifest.
func refusal(start vm.Start, p *manifest.Plugin) string {
	text := "the plugin does not start"
	for _, line := range start.Lines {
		if line.Level >= vm.Error {
			text = line.Text
		}
	}
	if match := ruleNumber.FindStringSubmatch(text); match != nil {
		if i, err := strconv.Atoi(match[1]); err == nil && i < len(p.Rules) {
			text += fmt.Sprintf(" [_rules_[%d] is %s]", i, p.Rules[i])
		}
	}
	return text
}

// missingClusters warns of those that Envoy's own configuration has not. Nil are those of a gateway that
// gets its clusters from elsewhere.
func missingClusters(needed, defined []string) []string {
	var warnings []string
	for _, name := range needed {
		if defined != nil && !strings.Contains(name, "${") && !slices.Contains(defined, name) {
			warnings = append(warnings, "the file has no cluster "+name)
		}
	}
	return warnings
}
