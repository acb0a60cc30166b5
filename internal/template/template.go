// Package template reads texts of the configuration that refer to values by ${…}, and writes the values so that
// each stays data where it stands: a quote in a secret ends no JSON string, and a slash in a header opens no path.
//
//	schema ──> Parse ──> Expand: the operator's variables, when the configuration is read
//	                └──> Render: what comes from outside, when a call is made
//
// What must stay true, and is tried for each place and each kind of value by TestEveryPlace:
//   - Whoever reads the result by its syntax finds the value as it was.
//   - What comes from outside can't be put in raw, nor where a value would be syntax, and changes no segment of a path.
package template

import (
	"encoding/json"
	"errors"
	"strings"
)

// Syntax is what a text is, and so how the values in it are encoded.
type Syntax int

// The syntaxes of texts.
const (
	Plain  Syntax = iota // nothing is encoded: a header's value, or what is encoded as a whole
	JSON                 // RFC 8259
	Form                 // application/x-www-form-urlencoded
	Target               // path and query of a request
	XML
	Text // of lines that mean nothing
)

// Template is a text with references. Expand and Render return what they make of it and leave it as it is.
type Template struct{ parts []part }

// part is a literal text or, if it has one, a reference.
type part struct {
	text      string
	reference *Reference
	place     place // of the reference
}

// Reference is what stands between ${ and }.
type Reference struct {
	Name   string
	Raw    bool   // ${NAME:raw}: its value is put in as it is
	Origin Origin // of a value that comes when a call is made
	Err    error  // of a name with dots that is of no Origin
}

// ErrOpen is of a ${ that nothing closes.
var ErrOpen = errors.New("${ without } (want ${NAME}, or $${ for a literal ${)")

// Parse takes a text apart; $${ is a literal ${.
func Parse(text string) (Template, error) {
	return parse(text, func(name string) string { return name })
}

// ParseJSON is Parse for a text in which names stand as JSON has them in strings.
func ParseJSON(text string) (Template, error) {
	return parse(text, func(name string) string {
		var unescaped string
		if json.Unmarshal([]byte(`"`+name+`"`), &unescaped) != nil {
			return name // it ends in another string than it begins in
		}
		return unescaped
	})
}

func parse(text string, nameOf func(string) string) (Template, error) {
	var t Template
	literal := ""
	for {
		before, rest, found := strings.Cut(text, "${")
		if !found {
			return t.literal(literal + text), nil
		}
		if escaped, isEscaped := strings.CutSuffix(before, "$"); isEscaped {
			literal, text = literal+escaped+"${", rest
			continue
		}
		name, rest, closed := strings.Cut(rest, "}")
		if !closed {
			return Template{}, ErrOpen
		}
		name, isRaw := strings.CutSuffix(name, ":raw")
		t = t.literal(literal + before)
		t.parts = append(t.parts, part{reference: newReference(nameOf(name), isRaw)})
		literal, text = "", rest
	}
}

func newReference(name string, isRaw bool) *Reference {
	r := &Reference{Name: name, Raw: isRaw}
	if strings.Contains(name, ".") {
		r.Origin, r.Err = parseOrigin(name)
	}
	return r
}

func (t Template) literal(text string) Template {
	if text != "" {
		t.parts = append(t.parts, part{text: text})
	}
	return t
}

// Value is what a reference stands for when the configuration is read.
type Value struct {
	Text  string
	Raw   bool // it is put in as it is
	Later bool // it is not known before Render
}

// Expand puts in the values of the operator, and learns the places of those that come later. A text that is nothing
// but one reference is its value as it is.
func (t Template) Expand(syntax Syntax, value func(Reference) Value) Template {
	var expanded Template
	at := scanner{syntax: syntax}
	isWhole := len(t.parts) == 1
	for _, p := range t.parts {
		if p.reference == nil {
			at.scan(p.text)
			expanded.parts = append(expanded.parts, p)
			continue
		}
		v, to := value(*p.reference), at.place()
		switch {
		case v.Later:
			expanded.parts = append(expanded.parts, part{reference: p.reference, place: to})
		case v.Raw || p.reference.Raw || isWhole || to == inJSON:
			at.scan(v.Text)
			expanded = expanded.literal(v.Text)
		default:
			expanded = expanded.literal(to.encode(v.Text, false))
		}
	}
	return expanded
}

// Text is that of a template without references.
func (t Template) Text() string {
	var text strings.Builder
	for _, p := range t.parts {
		text.WriteString(p.text)
	}
	return text.String()
}

// Of is the template of a text without references.
func Of(text string) Template { return Template{}.literal(text) }

// IsEmpty reports whether there is neither text nor reference.
func (t Template) IsEmpty() bool { return len(t.parts) == 0 }

// HasPrefix reports whether the text begins so, whatever the references stand for.
func (t Template) HasPrefix(prefix string) bool {
	return len(t.parts) > 0 && strings.HasPrefix(t.parts[0].text, prefix)
}

// After is the template after a literal text.
func (t Template) After(text string) Template {
	return Template{append([]part{{text: text}}, t.parts...)}
}

// Skeleton is the text with a character in the place of each reference.
func (t Template) Skeleton() string {
	var text strings.Builder
	for _, p := range t.parts {
		if p.reference != nil {
			text.WriteByte('x')
		}
		text.WriteString(p.text)
	}
	return text.String()
}

// Identity is the text with its references, told apart from a literal text that looks the same: no name has a zero byte, and
// those of the text are doubled.
func (t Template) Identity() string {
	var text strings.Builder
	for _, p := range t.parts {
		text.WriteString(strings.ReplaceAll(p.text, "\x00", "\x00\x00"))
		if p.reference != nil {
			text.WriteString("\x00" + p.reference.Origin.String() + "\x00")
		}
	}
	return text.String()
}

// Origins are those of the values that Render will ask for.
func (t Template) Origins() (list []Origin) {
	for _, p := range t.parts {
		if p.reference != nil {
			list = append(list, p.reference.Origin)
		}
	}
	return list
}

// IsFixed reports whether there is nothing to be put in any more.
func (t Template) IsFixed() bool { return len(t.Origins()) == 0 }

// Whole is the origin of a template that is nothing but one reference.
func (t Template) Whole() (o Origin, ok bool) {
	if len(t.parts) != 1 || t.parts[0].reference == nil {
		return o, false
	}
	return t.parts[0].reference.Origin, true
}

// Why what comes from outside can't be put in.
var (
	ErrRaw    = errors.New("what comes from outside can't be put in raw")
	ErrSyntax = errors.New("what comes from outside must stand inside a string of the JSON")
)

// MissingError is of a reference whose value is not there, or can't stand where it would have to.
type MissingError struct{ Origin Origin }

func (e *MissingError) Error() string {
	return "the request has no usable ${" + e.Origin.String() + "}"
}

// Check reports a reference that Render can put in nowhere, whatever its value.
func (t Template) Check() error {
	for _, p := range t.parts {
		switch {
		case p.reference == nil:
		case p.reference.Raw:
			return ErrRaw
		case p.place == inJSON:
			return ErrSyntax
		}
	}
	return nil
}

// Render puts in what comes from outside. The error is value's, that of Check, or *MissingError of a value that would not be
// the same there for whoever reads the text.
func (t Template) Render(value func(Origin) (string, error)) (string, error) {
	if err := t.Check(); err != nil {
		return "", err
	}
	var text strings.Builder
	var inSegment *Reference
	for _, p := range t.parts {
		if p.reference == nil {
			text.WriteString(p.text)
			continue
		}
		v, err := value(p.reference.Origin)
		if err != nil {
			return "", err
		}
		if !p.place.takes(v) {
			return "", &MissingError{p.reference.Origin}
		}
		if p.place == inPath {
			inSegment = p.reference
		}
		text.WriteString(p.place.encode(v, true))
	}
	if inSegment != nil && t.movesPath(text.String()) {
		return "", &MissingError{inSegment.Origin}
	}
	return text.String(), nil
}

// movesPath reports whether a path has more segments of dots than what was written. Servers may read an encoded slash as
// one, and a backslash too.
func (t Template) movesPath(rendered string) bool {
	return dotSegments(rendered) > dotSegments(t.Skeleton())
}

func dotSegments(target string) (count int) {
	path, _, _ := strings.Cut(target, "?")
	path = strings.NewReplacer("%2F", "/", "%5C", "/").Replace(path)
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			count++
		}
	}
	return count
}
