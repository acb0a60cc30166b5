package schema

import (
	"strings"
)

// Expand replaces ${NAME} by the VM's environment variable of that name; $${ is
// a literal ${. at is the key's name below the section, for errors, which never
// show the text or a variable's value.
//
// A name with dots belongs to Higress' control plane, which replaces it before the plugin sees it. Where
// that fails, for example because there is no such Secret, it hands the text on as it is: a ${secret.…} that is
// still there must not go out in the place of the secret, over a configuration that has worked. Any
// other ${a.b} is left as it is.
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
			s.Fail("invalid %s in config: ${ without } (want ${NAME}, or $${ for a literal ${)", s.prefix+at)
			return ""
		}
		expanded.WriteString(s.variable(at, name))
		text = rest
	}
}

func (s Section) variable(at, name string) string {
	switch {
	case strings.HasPrefix(name, gatewaySecret):
		s.failReplacement(at)
		return ""
	case strings.Contains(name, "."):
		s.warn(s.prefix + at + " holds a ${…} with dots that no gateway has replaced; it is used unchanged")
		return "${" + name + "}"
	case name == "" || strings.Trim(name, variableChars) != "":
		s.Fail("invalid %s in config: a variable's name in ${…} has other characters than letters, digits and _ (write $${ for a literal ${)", s.prefix+at)
		return ""
	}
	value, set := s.reader.env(name)
	if !set {
		s.Fail("invalid %s in config: environment variable %s is not set in the VM", s.prefix+at, printable(name))
	}
	return value
}

// gatewaySecret is how names begin that stand for a key of a Kubernetes Secret: secret.namespace/name.key.
const gatewaySecret = "secret."

func (s Section) failReplacement(at string) {
	s.Fail("invalid %s in config: the gateway has not replaced its ${secret.…} (want ${secret.namespace/name.key} of a Secret that it can read, without quotes and line ends in its value)",
		s.prefix+at)
}

// refusePlaceholder is for text in which no variables are expanded.
func (s Section) refusePlaceholder(at, text string) {
	if strings.Contains(text, "${"+gatewaySecret) {
		s.failReplacement(at)
	}
}

const variableChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
