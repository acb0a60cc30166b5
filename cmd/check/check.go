package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"token-fetch/cmd/manifest"
	"token-fetch/internal/config"
	"token-fetch/internal/schema"
)

// checker checks a file.
type checker struct {
	file             *manifest.File
	higressNamespace string
	localEnv         schema.LookupEnv // environment of whoever runs the check
}

// report is the result for one configuration.
type report struct {
	title    string
	refusals []string // why the gateway rejects it; empty if it accepts it
	warnings []string
	absent   bool // the gateway accepts it but configures no plugin
	summary  summary
	env      []variable
	secrets  []string
}

func (c checker) check(path string, stdout io.Writer) (ok bool) {
	ok = true
	for _, p := range c.file.Plugins {
		r := c.report(p)
		r.title = strings.TrimSuffix(path+": "+p.Name, ": ")
		r.write(stdout)
		ok = ok && len(r.refusals) == 0
	}
	for _, refused := range c.file.Refused {
		r := report{title: path + ": " + refused.Resource.Title(), refusals: texts(refused.Errs)}
		r.write(stdout)
		ok = false
	}
	for _, ignored := range c.file.Ignored {
		fmt.Fprintf(stdout, "%s: only read for references: %s\n", path, printable(ignored))
	}
	return ok
}

// report checks a configuration as its gateway would, and its references.
func (c checker) report(p *manifest.Plugin) report {
	r := report{warnings: p.Warnings, absent: p.Absent, refusals: texts(p.Errs)}
	r.add(c.checkNamespace(p))
	if p.Absent {
		return r
	}
	env := &environment{plugin: p, localEnv: c.localEnv}
	has := config.Features{Redis: p.Gateway == manifest.Higress || p.Gateway == manifest.AnyGateway}
	parsed, err := config.Parse(p.Config, env.lookup, has)
	if err != nil {
		r.refusals = append(r.refusals, startErrors(err, p)...)
		return r
	}
	// Printed as written, because variables may be secret.
	written, err := config.Parse(p.Config, unknown, has)
	if err != nil {
		written = &config.Config{} // it is valid only with the value of a variable
	}
	r.secrets, r.env = p.Secrets, env.variables()
	r.summary = summarize(written)
	r.warnings = append(r.warnings, parsed.Warnings...)
	r.warnings = append(r.warnings, parsed.Unchecked...)
	r.warnings = append(r.warnings, env.warnings()...)
	if slices.ContainsFunc(targets(written), func(t target) bool { return t.isRedis }) {
		r.warnings = append(r.warnings, "cache.redis needs main-redis.wasm, which only Higress loads")
	}
	r.add(c.checkReferences(p, written))
	return r
}

func (r *report) add(f findings) {
	r.refusals, r.warnings = append(r.refusals, f.refused...), append(r.warnings, f.warned...)
}

func texts(errs []error) (texts []string) {
	for _, err := range errs {
		texts = append(texts, err.Error())
	}
	return texts
}

var ruleNumber = regexp.MustCompile(`^_rules_\[(\d+)\]: `)

// startErrors returns the errors that the gateway would log in one line, with the position of each rule in the manifest.
func startErrors(err error, p *manifest.Plugin) []string {
	each := []error{err}
	var all *schema.Errors
	if errors.As(err, &all) {
		each = all.Each
	}
	var found []string
	for _, err := range each {
		text := err.Error()
		if match := ruleNumber.FindStringSubmatch(text); match != nil {
			if i, err := strconv.Atoi(match[1]); err == nil && i < len(p.Rules) {
				text += fmt.Sprintf(" [_rules_[%d] is %s]", i, p.Rules[i])
			}
		}
		found = append(found, "the plugin does not start: "+text)
	}
	if all != nil && all.More {
		found = append(found, "the plugin does not start: there are more errors")
	}
	return found
}
