package schema

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// Err is the first error of the whole configuration that the section is a part of.
func (s Section) Err() error { return s.reader.err }

// InRule names the rule in an error that it has, so that it can be found among many.
func (s Section) InRule(key string, number int) {
	if s.reader.err != nil {
		s.reader.err = fmt.Errorf("%s[%d]: %w", key, number, s.reader.err)
	}
}

// Warnings are about what is allowed but probably not meant.
func (s Section) Warnings() []string { return s.reader.warnings }

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// Fail keeps an error if it is the first. Of what comes from outside, it must show nothing but what Printable
// has shortened, and no secret.
func (s Section) Fail(format string, args ...any) { s.reader.fail(format, args...) }

// Name is how an error calls the key, or a member of its value.
func (s Section) Name(k *Key, member ...string) string {
	name := s.prefix + k.Name
	for _, m := range member {
		name += "." + printable(m)
	}
	return name
}

// Missing reports a key that must be there.
func (s Section) Missing(k *Key) { s.Fail("missing %s in config", s.Name(k)) }

// Invalid reports a bad value: the key, the value unless it may be a secret, and what is allowed.
func (s Section) Invalid(k *Key, value gjson.Result, want string) {
	s.invalidAt(k, k.Name, value, want)
}

// Wrong is Invalid for the value that stands in the configuration.
func (s Section) Wrong(k *Key, want string) {
	value, _ := s.Value(k)
	s.Invalid(k, value, want)
}

// WrongMember reports a bad member of the key's value, which may be a secret.
func (s Section) WrongMember(k *Key, member, want string) {
	s.Fail("invalid %s in config (want %s)", s.Name(k, member), want)
}

// WrongWhole reports a section that does not fit together, for example for two keys that exclude each other.
func (s Section) WrongWhole(want string) {
	s.Fail("invalid %s in config (want %s)", strings.TrimSuffix(s.prefix, "."), want)
}

// Unused warns of a key that has no effect, and why.
func (s Section) Unused(k *Key, why string) { s.warn(s.Name(k) + " is not used: " + why) }

// warn says it once: a key is read more than once, and thousands of rules inherit it.
func (s Section) warn(text string) {
	if !s.reader.warned[text] {
		s.reader.warned[text] = true
		s.reader.warnings = append(s.reader.warnings, text)
	}
}

func (s Section) invalidAt(k *Key, name string, value gjson.Result, want string) {
	if k.Secret {
		s.Fail("invalid %s%s in config (want %s)", s.prefix, name, want)
		return
	}
	s.Fail("invalid %s%s in config: %s (want %s)", s.prefix, name, Shown(value), want)
}

// Shown is a value as an error may print it: as it was written, before variables are expanded.
func Shown(value gjson.Result) string {
	switch {
	case value.IsObject():
		return "an object"
	case value.IsArray():
		return "a list"
	case value.Type == gjson.String:
		return ShownText(value.Str)
	default:
		return printable(value.Raw)
	}
}

// ShownText is Shown for a string.
func ShownText(text string) string {
	if strings.Contains(text, "PRIVATE KEY-") {
		return "a private key" // in the place of what belongs to it, such as its algorithm
	}
	return strconv.Quote(printable(withoutCredentials(text)))
}

// withoutCredentials leaves out what an address may have of them: a user before its host, and its query.
func withoutCredentials(text string) string {
	text, query, _ := strings.Cut(text, "?")
	if query != "" {
		text += "?…"
	}
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		text = "…" + text[at:]
	}
	return text
}

// printable keeps an error one short line, whatever the configuration has in its place.
func printable(text string) string {
	const limit = 100
	shortened := ""
	if len(text) > limit {
		text, shortened = strings.ToValidUTF8(text[:limit], ""), "…"
	}
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, text) + shortened
}
