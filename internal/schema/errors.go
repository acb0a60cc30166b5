package schema

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// MaxErrors is how many errors are reported at once: as many as an operator may fix in one go, few enough for a log
// line.
const MaxErrors = 20

// Errors is everything wrong with a configuration, in the order found: the global part, then the rules.
type Errors struct {
	Each []error // at most MaxErrors
	More bool    // there are more
}

// Error joins the errors into one line.
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

// errorLog collects errors, except those that only follow from another: a key of the wrong type would also be missing,
// and a rule repeats the errors that it inherits.
type errorLog struct {
	found    Errors
	isBroken bool // the configuration is not JSON, so its keys can't be checked

	// Keys are named as in errors, prefixed with their rule.
	names   map[string]bool // keys with an error
	values  map[string]bool // keys with their invalid value
	parents map[string]bool // objects and lists with an error inside
	meant   map[string]bool // keys that a misspelled one probably meant
	global  map[string]bool // error texts about the global part

	unknown   map[string]bool // variables whose values are not known here
	unchecked []string        // what can't be checked because of them
}

func newErrorLog() errorLog {
	return errorLog{names: map[string]bool{}, values: map[string]bool{}, parents: map[string]bool{}, meant: map[string]bool{}, global: map[string]bool{}, unknown: map[string]bool{}}
}

func (l *errorLog) isFull() bool { return l.isBroken || l.found.More }

// add records an error about the key called name. rule is the rule that has the key. value is the invalid part of the
// key's value; "" if the error is about all of it.
func (l *errorLog) add(rule, name, value, text string) {
	if l.isFull() || l.follows(rule, name, value) {
		return
	}
	l.names[rule+name] = true
	l.values[rule+name+"\x00"+value] = true
	eachParent(name, func(parent string) { l.parents[rule+parent] = true })
	for variable := range l.unknown {
		if strings.Contains(value, "${"+variable+"}") || strings.Contains(value, "${"+variable+":") {
			l.unchecked = append(l.unchecked, rule+name+" is not checked: the value of ${"+printable(variable)+"} is not known here")
			return
		}
	}
	switch {
	case rule == "":
		l.global[text] = true
	case l.global[text] || l.values[name+"\x00"]:
		return // inherited
	}
	if len(l.found.Each) == MaxErrors {
		l.found.More = true
		return
	}
	l.found.Each = append(l.found.Each, errors.New(rule+text))
}

// follows reports whether an error merely follows from another about the same key, or about an object that contains it.
func (l *errorLog) follows(rule, name, value string) (follows bool) {
	eachParent(name, func(parent string) { follows = follows || l.names[rule+parent] })
	if value == "" {
		return follows || l.names[rule+name]
	}
	// An unreadable element, such as an unset variable, does not make the whole list invalid.
	return follows || l.parents[rule+name] || l.values[rule+name+"\x00"] || l.values[rule+name+"\x00"+value]
}

// eachParent visits the names of the objects and lists that contain the key: a[0].b is in a[0], which is in a.
func eachParent(name string, visit func(parent string)) {
	for i, c := range name {
		if i > 0 && (c == '.' || c == '[') {
			visit(name[:i])
		}
	}
}

// Err returns nil, or *Errors with everything wrong in the whole configuration, not only in this section.
func (s Section) Err() error {
	if len(s.reader.errors.found.Each) == 0 {
		return nil
	}
	return &s.reader.errors.found
}

// Unchecked lists the keys that can't be checked because the LookupEnv does not know a value.
func (s Section) Unchecked() []string { return s.reader.errors.unchecked }

// InRule returns the section with errors that name the rule, such as _rules_[3].
func (s Section) InRule(rule string) Section {
	s.rule = rule + ": "
	return s
}

// Warnings lists what is allowed but probably not intended.
func (s Section) Warnings() []string { return s.reader.warnings }

// Fail records an error about the key called name, which is the first argument of format. Other arguments must not
// contain secrets; pass outside text through Shown.
func (s Section) Fail(format, name string, args ...any) {
	s.report(name, "", fmt.Sprintf(format, append([]any{name}, args...)...))
}

func (s Section) report(name, value, text string) { s.reader.errors.add(s.rule, name, value, text) }

// Name is the full name of the key, or of a member of its value, in errors.
func (s Section) Name(k *Key, member ...string) string {
	name := s.prefix + k.Name
	for _, m := range member {
		name += "." + printable(m)
	}
	return name
}

// Missing reports a required key that is absent.
func (s Section) Missing(k *Key) {
	name, meant := s.Name(k), s.reader.errors.meant
	if !meant[s.rule+name] && !meant[name] {
		s.Fail("missing %s in config", name)
	}
}

// Invalid reports an invalid value: the key, the value unless it may be secret, and what is allowed.
func (s Section) Invalid(k *Key, value gjson.Result, want string) {
	s.invalidAt(k, k.Name, value, want)
}

// InvalidKey is Invalid for the key's value in the configuration.
func (s Section) InvalidKey(k *Key, want string) {
	value, _ := s.Value(k)
	s.Invalid(k, value, want)
}

// InvalidMember reports an invalid member of the key's value, which may be secret.
func (s Section) InvalidMember(k *Key, member, want string) {
	s.Fail("invalid %s in config (want %s)", s.Name(k, member), want)
}

// InvalidSection reports keys that do not go together, for example because they are mutually exclusive.
func (s Section) InvalidSection(want string) {
	if name := strings.TrimSuffix(s.prefix, "."); !s.reader.errors.parents[s.rule+name] {
		s.Fail("invalid %s in config (want %s)", name, want)
	}
}

// Unused warns of a key that has no effect, and why.
func (s Section) Unused(k *Key, why string) { s.Warn(s.Name(k) + " is not used: " + why) }

// Suspect warns of a value that is probably not intended.
func (s Section) Suspect(k *Key, why string) {
	value, _ := s.Value(k)
	s.Warn(s.Name(k) + " is " + Shown(value) + ": " + why)
}

// Warn adds a warning, once per text: keys are read repeatedly, and thousands of rules inherit them.
func (s Section) Warn(text string) {
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

// Shown formats a value for an error: as written, before variables are expanded.
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
		return "a private key" // hide everything, including details such as the algorithm
	}
	return strconv.Quote(printable(withoutCredentials(text)))
}

// withoutCredentials removes what may be credentials in an address: the user before the host, and the query.
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

// printable makes any text short enough, and safe, for one log line.
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
