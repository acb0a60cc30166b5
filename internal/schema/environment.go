package schema

import (
	"strings"
)

// Expand replaces ${NAME} by the VM's environment variable of that name; $${ is
// a literal ${. at is the key's name below the section, for errors, which never
// show the text or a variable's value.
//
// ${a.b} is left as it is: a name with dots belongs to Higress' control plane,
// which replaces it before the plugin sees it.
func (s Section) Expand(at, text string) string {
	if !strings.Contains(text, "${") {
		return text
	}
	var expanded strings.Builder
	for {
		start := strings.Index(text, "${")
		if start < 0 {
			expanded.WriteString(text)
			return expanded.String()
		}
		if strings.HasSuffix(text[:start], "$") {
			expanded.WriteString(text[:start-1] + "${")
			text = text[start+2:]
			continue
		}
		expanded.WriteString(text[:start])
		name, rest, closed := strings.Cut(text[start+2:], "}")
		if !closed {
			s.Fail("invalid %s%s in config: ${ without } (want ${NAME}, or $${ for a literal ${)", s.prefix, at)
			return ""
		}
		expanded.WriteString(s.variable(at, name))
		text = rest
	}
}

func (s Section) variable(at, name string) string {
	if strings.Contains(name, ".") {
		s.warn(s.prefix + at + " holds a ${…} with dots that no gateway has replaced; it is used unchanged")
		return "${" + name + "}"
	}
	if name == "" || strings.Trim(name, variableChars) != "" {
		s.Fail("invalid %s%s in config: a variable's name in ${…} has other characters than letters, digits and _ (write $${ for a literal ${)", s.prefix, at)
		return ""
	}
	value, set := s.reader.env(name)
	if !set {
		s.Fail("invalid %s%s in config: environment variable %s is not set in the VM", s.prefix, at, printable(name))
	}
	return value
}

const variableChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
