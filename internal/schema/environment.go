package schema

import (
	"maps"
	"slices"
	"strings"

	"token-fetch/internal/template"
)

// SyntaxOf returns the syntax of a text in the configuration.
type SyntaxOf func(template.Template) template.Syntax

// Expand replaces ${NAME} with the environment variable of that name, and $${ with a literal ${. path is the key's name
// within the section, for errors, which never show the text or a variable's value.
//
// A name with dots is a reference, resolved when a call is made, or is Higress's: its control plane replaces
// ${secret.…} before the plugin sees it. If that fails, for example because the Secret does not exist, the control
// plane leaves the text as it is. Such a placeholder must never be sent out instead of the secret, replacing a
// configuration that worked.
func (s Section) Expand(path, text string) string { return s.expand(&Key{}, path, text, nil).Text() }

// expand encodes values for where they appear in the text's syntax, except ${NAME:raw} and texts that consist of
// ${NAME} alone. If syntax is nil, nothing is encoded.
func (s Section) expand(k *Key, path, text string, syntax SyntaxOf) template.Template {
	t, err := template.Parse(text)
	return s.expandTemplate(k, path, t, err, syntax)
}

func (s Section) expandTemplate(k *Key, path string, t template.Template, err error, syntax SyntaxOf) template.Template {
	if err != nil {
		s.Fail("invalid %s in config: %s", s.prefix+path, err.Error())
		return template.Template{}
	}
	textSyntax := template.Plain
	if syntax != nil {
		textSyntax = syntax(t)
	}
	t = t.Expand(textSyntax, func(r template.Reference) template.Value { return s.variable(k, path, r) })
	if err := t.Check(); err != nil {
		s.Fail("invalid %s in config: %s", s.prefix+path, err.Error())
	}
	return t
}

// Unknown is what a LookupEnv returns for a variable that will be set where the plugin runs, but whose value is not
// known here. It may also return it for a ${secret.…} that a gateway will replace. What depends on the value is not
// checked.
const Unknown = "\x00unknown"

// isUnknown reports whether the value of ${name} is not known here, and records that.
func (s Section) isUnknown(name string) bool {
	value, _ := s.reader.env(name)
	if value == Unknown {
		s.reader.errors.unknown[name] = true
	}
	return value == Unknown
}

// asWritten returns the reference as it was written.
func asWritten(r template.Reference) template.Value {
	suffix := ""
	if r.Raw {
		suffix = ":raw"
	}
	return template.Value{Text: "${" + r.Name + suffix + "}", Raw: true}
}

func (s Section) variable(k *Key, path string, r template.Reference) template.Value {
	name := r.Name
	isDotted := strings.Contains(name, ".")
	switch {
	case r.Origin.Kind != template.None:
		return s.reference(k, path, r.Origin)
	case isDotted && s.isUnknown(name):
		return asWritten(r)
	case strings.HasPrefix(name, gatewaySecret):
		s.failReplacement(path)
		return template.Value{}
	case isDotted:
		s.Fail("invalid %s in config: %s", s.prefix+path, r.Err.Error())
		return template.Value{}
	case name == "" || strings.Trim(name, variableChars) != "":
		s.Fail("invalid %s in config: a variable's name in ${…} may have letters, digits and _ only (write $${ for a literal ${)", s.prefix+path)
		return template.Value{}
	case s.isUnknown(name):
		return asWritten(r)
	default:
		value, set := s.reader.env(name)
		if !set {
			s.Fail("invalid %s in config: environment variable %s is not set in the VM", s.prefix+path, printable(name))
		}
		return template.Value{Text: value}
	}
}

// reference returns the placeholder for a value that is only known when a call is made.
func (s Section) reference(k *Key, path string, o template.Origin) template.Value {
	switch {
	case !k.References:
		s.Fail("invalid %s in config: the value of ${%s} is only known when a call is made (allowed in %s)", s.prefix+path,
			printable(o.String()), strings.Join(s.reader.referring, ", "))
		return template.Value{}
	case o.Kind == template.Token && !s.tokens[o.Name]:
		if s.reader.errors.isFull() || s.reader.errors.follows(s.rule, s.prefix+path, "") {
			return template.Value{Deferred: true} // the search for a suggestion is expensive
		}
		hint := ""
		if meant := Nearest(o.Name, slices.Sorted(maps.Keys(s.tokens)), 1+len(o.Name)/3); meant != "" {
			hint = " (did you mean ${" + template.Origin{Kind: template.Token, Name: meant}.String() + "}?)"
		}
		s.Fail("invalid %s in config: there is no token %s%s", s.prefix+path, printable(o.Name), hint)
	}
	return template.Value{Deferred: true}
}

// WithTokens returns the section with the names of the tokens that references may name.
func (s Section) WithTokens(names map[string]bool) Section {
	s.tokens = names
	return s
}

// referring returns the names of the keys whose text may have references.
func referring(k *Key, prefix string) (names []string) {
	for _, inner := range k.Keys {
		switch {
		case inner.References:
			names = append(names, prefix+inner.Name)
		case inner.Kind == Object:
			names = append(names, referring(inner, prefix+inner.Name+".")...)
		}
	}
	return names
}

// gatewaySecret is the prefix of names that stand for a key of a Kubernetes Secret: secret.namespace/name.key.
const gatewaySecret = "secret."

func (s Section) failReplacement(path string) {
	s.Fail("invalid %s in config: the gateway has not replaced its ${secret.…} (want ${secret.namespace/name.key} of a Secret that it can read, without quotes and line ends in its value)",
		s.prefix+path)
}

// refusePlaceholder checks text in which variables are not expanded.
func (s Section) refusePlaceholder(path, text string) {
	for {
		_, rest, found := strings.Cut(text, "${"+gatewaySecret)
		if !found {
			return
		}
		name, _, _ := strings.Cut(rest, "}")
		if !s.isUnknown(gatewaySecret + name) {
			s.failReplacement(path)
		}
		text = rest
	}
}

const variableChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
