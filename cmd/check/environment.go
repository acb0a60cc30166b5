package main

import (
	"fmt"
	"slices"
	"strings"

	"token-fetch/cmd/manifest"
	"token-fetch/internal/schema"
)

// environment is the VM's, as far as it is known here.
type environment struct {
	plugin   *manifest.Plugin
	localEnv schema.LookupEnv
	used     []string // variables that the configuration uses
}

// variable is an environment variable that the configuration uses.
type variable struct {
	name   string
	source string // where its value comes from
	isSet  bool   // as far as is known
}

// lookup is a schema.LookupEnv. The parser reports variables that a manifest does not pass to the VM.
func (e *environment) lookup(name string) (string, bool) {
	if slices.Contains(e.plugin.Secrets, "${"+name+"}") {
		return schema.Unknown, true // the control plane inserts it
	}
	if strings.Contains(name, ".") {
		return "", false
	}
	if !slices.Contains(e.used, name) {
		e.used = append(e.used, name)
	}
	given, isGiven := e.given(name)
	value, isHere := e.localEnv(name)
	switch {
	case isGiven && e.isKnown(given):
		return given.Value, true
	case !isGiven && e.plugin.Gateway != manifest.AnyGateway:
		return "", false
	case isHere:
		return value, true
	default:
		return schema.Unknown, true
	}
}

// unknown is a schema.LookupEnv without any known value.
func unknown(string) (string, bool) { return schema.Unknown, true }

func (e *environment) given(name string) (manifest.Variable, bool) {
	for _, v := range e.plugin.Environment {
		if v.Name == name {
			return v, true
		}
	}
	return manifest.Variable{}, false
}

// isKnown reports whether the manifest contains the variable's value.
func (e *environment) isKnown(given manifest.Variable) bool {
	return !given.FromHost && !slices.ContainsFunc(e.plugin.Secrets, func(secret string) bool { return strings.Contains(given.Value, secret) })
}

// variables are those that the configuration uses, sorted by name.
func (e *environment) variables() (variables []variable) {
	for _, name := range slices.Sorted(slices.Values(e.used)) {
		variables = append(variables, e.describe(name))
	}
	return variables
}

func (e *environment) describe(name string) variable {
	given, isGiven := e.given(name)
	_, isHere := e.localEnv(name)
	switch {
	case isGiven && !given.FromHost:
		return variable{name, "set by the manifest", true}
	case isGiven && e.plugin.Gateway == manifest.Envoy:
		return variable{name, "of Envoy's own environment", true}
	case isGiven:
		return variable{name, "of the gateway's pod", true}
	case isHere:
		return variable{name, "set here; the VM must have it", true}
	default:
		return variable{name, "not set here; the VM must have it", false}
	}
}

func (e *environment) warnings() (warnings []string) {
	for _, v := range e.variables() {
		if !v.isSet {
			warnings = append(warnings, fmt.Sprintf("environment variable %s is not set here: the plugin does not start where the VM does not have it", v.name))
		}
	}
	for _, given := range e.plugin.Environment {
		if !slices.Contains(e.used, given.Name) {
			warnings = append(warnings, fmt.Sprintf("environment variable %s is given to the VM, but the configuration does not name it", given.Name))
		}
	}
	if e.plugin.Gateway == manifest.AnyGateway && len(e.plugin.Secrets) > 0 {
		warnings = append(warnings, "only Higress replaces "+strings.Join(e.plugin.Secrets, ", "))
	}
	return warnings
}
