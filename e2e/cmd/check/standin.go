package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"token-fetch/e2e/manifest"
)

// standIns are values in the place of those that only the gateway knows: secrets of the control plane, and variables
// of the VM's environment.
type standIns struct {
	config      []byte            // with the secrets replaced
	environment map[string]string // of the VM
	variables   []variable        // that the configuration names, by name
	unknown     []place           // that hold a stand-in
}

// variable is one of the VM's environment that the configuration names.
type variable struct {
	name   string
	source string // where its value comes from
	isSet  bool   // as far as can be known
}

// place is a key, as the plugin's errors name it, and whose value it has not really got.
type place struct{ key, unknown string }

func newStandIns(p *manifest.Plugin, lookup func(string) (string, bool)) *standIns {
	s := &standIns{config: p.Config, environment: map[string]string{}}
	var root any
	decoder := json.NewDecoder(bytes.NewReader(p.Config))
	_ = decoder.Decode(&root) // the plugin says what is wrong with it
	inherited := ""
	walk("", root, nil, func(key, text string, _ object) {
		if lastName(key) == signingAlgorithm {
			inherited = text
		}
	})
	for _, given := range p.Environment {
		if isKnown(given, p) {
			s.environment[given.Name] = given.Value
		}
	}
	pasted := map[string]string{}
	walk("", root, nil, func(key, text string, beside object) {
		algorithm, isOwn := beside[signingAlgorithm].(string)
		if !isOwn {
			algorithm = inherited
		}
		for _, secret := range p.Secrets {
			if strings.Contains(text, secret) {
				s.unknown = append(s.unknown, place{key, secret})
				pasted[secret] = longer(pasted[secret], standIn(key, algorithm))
			}
		}
		for _, name := range variableNames(text) {
			s.provide(p, name, key, standIn(key, algorithm), lookup)
		}
	})
	slices.SortFunc(s.variables, func(a, b variable) int { return strings.Compare(a.name, b.name) })
	for secret, value := range pasted {
		s.config = bytes.ReplaceAll(s.config, []byte(secret), []byte(strings.ReplaceAll(value, "\n", `\n`)))
	}
	return s
}

// isKnown reports whether the manifest has the variable's value.
func isKnown(given manifest.Variable, p *manifest.Plugin) bool {
	return !given.FromHost && !slices.ContainsFunc(p.Secrets, func(secret string) bool { return strings.Contains(given.Value, secret) })
}

// provide gives the VM a variable that it has in the gateway: its value if that is known, else one from here, else
// a stand-in. One that a manifest does not give to the VM is missing there, and the plugin says so.
func (s *standIns) provide(p *manifest.Plugin, name, key, standIn string, lookup func(string) (string, bool)) {
	given, isGiven := find(p.Environment, name)
	if p.Gateway == manifest.AnyGateway || isGiven {
		if value, isHere := lookup(name); isGiven && isKnown(given, p) {
			s.environment[name] = given.Value
		} else if isHere {
			s.environment[name] = value
		} else {
			s.unknown = append(s.unknown, place{key, name})
			s.environment[name] = longer(s.environment[name], standIn)
		}
	}
	if !slices.ContainsFunc(s.variables, func(v variable) bool { return v.name == name }) {
		s.variables = append(s.variables, describe(p, name, lookup))
	}
}

// longer is the more special of two stand-ins for the same unknown.
func longer(a, b string) string {
	if len(a) > len(b) {
		return a
	}
	return b
}

func find(environment []manifest.Variable, name string) (manifest.Variable, bool) {
	for _, v := range environment {
		if v.Name == name {
			return v, true
		}
	}
	return manifest.Variable{}, false
}

func describe(p *manifest.Plugin, name string, lookup func(string) (string, bool)) variable {
	given, isGiven := find(p.Environment, name)
	_, isHere := lookup(name)
	switch {
	case isGiven && !given.FromHost:
		return variable{name, "set by the manifest", true}
	case isGiven && p.Gateway == manifest.Envoy:
		return variable{name, "of Envoy's own environment", true}
	case isGiven:
		return variable{name, "of the gateway's pod", true}
	case isHere:
		return variable{name, "set here; the VM must have it", true}
	default:
		return variable{name, "not set here; the VM must have it", false}
	}
}

// warnings are about variables.
func (s *standIns) warnings(p *manifest.Plugin) []string {
	var warnings []string
	for _, v := range s.variables {
		if !v.isSet {
			warnings = append(warnings, fmt.Sprintf("environment variable %s is not set here: a stand-in took its place, and the plugin does not start where the VM does not have it", v.name))
		}
	}
	for _, given := range p.Environment {
		if !slices.ContainsFunc(s.variables, func(v variable) bool { return v.name == given.Name }) {
			warnings = append(warnings, fmt.Sprintf("environment variable %s is given to the VM, but the configuration does not name it", given.Name))
		}
	}
	if p.Gateway == manifest.AnyGateway && len(p.Secrets) > 0 {
		warnings = append(warnings, "only Higress replaces "+strings.Join(p.Secrets, ", "))
	}
	return warnings
}

// hint says which stand-in may be the reason of an error: one of the key that it names, or of the private key that does
// not fit the algorithm.
func (s *standIns) hint(refusal string) string {
	for _, place := range s.unknown {
		fitting := strings.TrimSuffix(place.key, lastName(place.key)) + signingAlgorithm
		isFitting := lastName(place.key) == privateKey && strings.Contains(refusal, " "+fitting+" in config")
		if isFitting || strings.Contains(refusal, " "+place.key+" in config") {
			return fmt.Sprintf(" [%s is not known here, and a stand-in took its place]", place.unknown)
		}
	}
	return ""
}

// variableNames are those of ${NAME} in a text, as the plugin expands it: $${ is a literal ${, and a name with a dot
// is a control plane's.
func variableNames(text string) []string {
	var names []string
	for {
		before, after, found := strings.Cut(text, "${")
		if !found {
			return names
		}
		if strings.HasSuffix(before, "$") {
			text = after
			continue
		}
		name, rest, closed := strings.Cut(after, "}")
		if !closed {
			return names
		}
		if isVariableName.MatchString(name) {
			names = append(names, name)
		}
		text = rest
	}
}

var isVariableName = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

// walk visits every string below value; key is as the plugin's errors name it, within the global part or a rule, and
// beside is the object that has it.
func walk(key string, value any, beside object, visit func(key, text string, beside object)) {
	switch value := value.(type) {
	case string:
		visit(key, value, beside)
	case []any:
		for i, element := range value {
			walk(elementKey(key, i), element, nil, visit)
		}
	case object:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			walk(strings.TrimPrefix(key+"."+name, "."), value[name], value, visit)
		}
	}
}

func elementKey(list string, i int) string {
	if list == "_rules_" {
		return ""
	}
	return fmt.Sprintf("%s[%d]", list, i)
}

func lastName(key string) string { return key[strings.LastIndex(key, ".")+1:] }
