package schema

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// MaxErrors is how many errors are told at once: as many as an operator may mend in one go, and few enough for a line of
// a log.
const MaxErrors = 20

// Errors are all that is wrong with a configuration, in the order in which it was found: the global part, then the rules.
type Errors struct {
	Each []error // at most MaxErrors
	More bool    // there are more
}

// Error is all of them in one line.
func (e *Errors) Error() string {
	texts := make([]string, 0, len(e.Each)+1)
	for _, err := range e.Each {
		texts = append(texts, err.Error())
	}
	if e.More {
		texts = append(texts, "and more")
	}
	return strings.Join(texts, "; ")
}

// errorLog collects errors, without those that only follow from another one: a key that has another type than it should
// would also be missing, and a rule repeats what it inherits.
type errorLog struct {
	found    Errors
	isBroken bool // the configuration is not JSON: nothing can be said about its keys

	// Keys are named as in errors, with their rule before them.
	names   map[string]bool // keys that have an error
	values  map[string]bool // keys with an erroneous value
	parents map[string]bool // objects and lists with an error further down
	meant   map[string]bool // keys that a misspelt one was probably meant to be
	global  map[string]bool // texts about the global part

	unknown   map[string]bool // variables whose values are not known here
	unchecked []string        // what was wrong with them as they are written
}

func newErrorLog() errorLog {
	return errorLog{names: map[string]bool{}, values: map[string]bool{}, parents: map[string]bool{}, meant: map[string]bool{}, global: map[string]bool{}, unknown: map[string]bool{}}
}

func (l *errorLog) isFull() bool { return l.isBroken || l.found.More }

// add keeps an error about the key called name. at is the rule that has the key, value the part of the key's value that is
// wrong; an error without one is about all of it.
func (l *errorLog) add(at, name, value, text string) {
	if l.isFull() || l.follows(at, name, value) {
		return
	}
	l.names[at+name] = true
	l.values[at+name+"\x00"+value] = true
	eachParent(name, func(parent string) { l.parents[at+parent] = true })
	for variable := range l.unknown {
		if strings.Contains(value, "${"+variable+"}") || strings.Contains(value, "${"+variable+":") {
			l.unchecked = append(l.unchecked, at+name+" is not checked: the value of ${"+printable(variable)+"} is not known here")
			return
		}
	}
	switch {
	case at == "":
		l.global[text] = true
	case l.global[text] || l.values[name+"\x00"]:
		return // inherited
	}
	if len(l.found.Each) == MaxErrors {
		l.found.More = true
		return
	}
	l.found.Each = append(l.found.Each, errors.New(at+text))
}

// follows reports whether an error only says again that the key, or an object that it is in, is wrong.
func (l *errorLog) follows(at, name, value string) (follows bool) {
	eachParent(name, func(parent string) { follows = follows || l.names[at+parent] })
	if value == "" {
		return follows || l.names[at+name]
	}
	// What can't be read of an element, such as a variable, is not what is wrong with the list.
	return follows || l.parents[at+name] || l.values[at+name+"\x00"] || l.values[at+name+"\x00"+value]
}

// eachParent visits the names of the objects and lists that have the key: a[0].b is in a[0], which is in a.
func eachParent(name string, visit func(parent string)) {
	for i, c := range name {
		if i > 0 && (c == '.' || c == '[') {
			visit(name[:i])
		}
	}
}

// Err is nil, or *Errors: all that is wrong with the whole configuration that the section is a part of.
func (s Section) Err() error {
	if len(s.reader.errors.found.Each) == 0 {
		return nil
	}
	return &s.reader.errors.found
}

// Unchecked are the keys that nothing can be said about, as the LookupEnv does not know a value; and why.
func (s Section) Unchecked() []string { return s.reader.errors.unchecked }

// Named is the section in errors of a rule, such as _rules_[3], so that it can be found among many.
func (s Section) Named(rule string) Section {
	s.at = rule + ": "
	return s
}

// Warnings are about what is allowed but probably not meant.
func (s Section) Warnings() []string { return s.reader.warnings }

// Fail keeps an error about the key of that name, which is the format's first argument. Of what comes from outside, it
// must show nothing but what Shown has shortened, and no secret.
func (s Section) Fail(format, name string, args ...any) {
	s.report(name, "", fmt.Sprintf(format, append([]any{name}, args...)...))
}

func (s Section) report(name, value, text string) { s.reader.errors.add(s.at, name, value, text) }

// Name is how an error calls the key, or a member of its value.
func (s Section) Name(k *Key, member ...string) string {
	name := s.prefix + k.Name
	for _, m := range member {
		name += "." + printable(m)
	}
	return name
}

// Missing reports a key that must be there.
func (s Section) Missing(k *Key) {
	name, meant := s.Name(k), s.reader.errors.meant
	if !meant[s.at+name] && !meant[name] {
		s.Fail("missing %s in config", name)
	}
}

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
	if name := strings.TrimSuffix(s.prefix, "."); !s.reader.errors.parents[s.at+name] {
		s.Fail("invalid %s in config (want %s)", name, want)
	}
}

// Unused warns of a key that has no effect, and why.
func (s Section) Unused(k *Key, why string) { s.warn(s.Name(k) + " is not used: " + why) }

// Doubt warns of a value that is probably not meant.
func (s Section) Doubt(k *Key, why string) {
	value, _ := s.Value(k)
	s.warn(s.Name(k) + " is " + Shown(value) + ": " + why)
}

// Warn warns of what the section says as a whole; at most once with the same words.
func (s Section) Warn(text string) { s.warn(text) }

// warn says it once: a key is read more than once, and thousands of rules inherit it.
func (s Section) warn(text string) {
	if !s.reader.warned[text] {
		s.reader.warned[text] = true
		s.reader.warnings = append(s.reader.warnings, text)
	}
}

func (s Section) invalidAt(k *Key, name string, value gjson.Result, want string) {
	name = s.prefix + name
	shown := ": " + Shown(value)
	if k.Secret {
		shown = ""
	}
	s.report(name, value.Raw, fmt.Sprintf("invalid %s in config%s (want %s)", name, shown, want))
}

// Shown is a value as an error may print it: as it was written, before variables are expanded.
func Shown(value gjson.Result) string {
	switch {
	case value.IsObject():
		return "an object"
	case value.IsArray():
		return "a list"
	case value.Type == gjson.String:
		return shownText(value.Str)
	default:
		return printable(value.Raw)
	}
}

func shownText(text string) string {
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
