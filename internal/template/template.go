// Package template parses configuration text with references of the form ${…}, and inserts their values so that each
// remains data: a quote in a secret ends no JSON string, and a slash in a header starts no path segment.
//
//	schema ──> Parse ──> Expand: the operator's variables, when the configuration is read
//	                └──> Render: values from outside, when a call is made
//
// What must stay true:
//   - Whoever parses the result finds the value unchanged: TestVariables, and TestHostileValues of internal/tokenservice,
//     which tries every kind of reference in every place.
//   - Values from outside can't be inserted raw, nor where they would be syntax, and never change a path's segments:
//     TestOutsideIsData.
package template

import (
	"encoding/json"
	"errors"
	"strings"
)

// Syntax is how a text is parsed, and so how values in it are encoded.
type Syntax int

// The syntaxes.
const (
	Plain  Syntax = iota // nothing is encoded: a header's value, or text that is encoded as a whole
	JSON                 // RFC 8259
	Form                 // application/x-www-form-urlencoded
	Target               // path and query of a request
	XML
	Text // plain lines
)

// Template is a text with references. It is immutable: Expand and Render return their results.
type Template struct{ parts []part }

// part is literal text or, if reference is set, a reference.
type part struct {
	text      string
	reference *Reference
	place     place // of the reference
}

// Reference is what is between ${ and }.
type Reference struct {
	Name   string
	Raw    bool   // ${NAME:raw}: insert the value without encoding
	Origin Origin // if the value is only known when a call is made
	Err    error  // for a name with dots that has no Origin
}

// ErrUnclosed is the error for ${ without }.
var ErrUnclosed = errors.New("${ without } (want ${NAME}, or $${ for a literal ${)")

// Parse parses text; $${ is a literal ${.
func Parse(text string) (Template, error) {
	return parse(text, func(name string) string { return name })
}

// ParseJSON is Parse for text in which names are escaped as in JSON strings.
func ParseJSON(text string) (Template, error) {
	return parse(text, func(name string) string {
		var unescaped string
		if json.Unmarshal([]byte(`"`+name+`"`), &unescaped) != nil {
			return name // it starts in one string and ends in another
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
			return Template{}, ErrUnclosed
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

// Value is the value of a reference when the configuration is read.
type Value struct {
	Text     string
	Raw      bool // insert it without encoding
	Deferred bool // not known before Render
}

// Expand inserts the operator's values, and determines the places of deferred ones. The value of a text that is a
// single reference is inserted as it is.
func (t Template) Expand(syntax Syntax, value func(Reference) Value) Template {
	var expanded Template
	s := scanner{syntax: syntax}
	isWhole := len(t.parts) == 1
	for _, p := range t.parts {
		if p.reference == nil {
			s.scan(p.text)
			expanded.parts = append(expanded.parts, p)
			continue
		}
		v, to := value(*p.reference), s.place()
		switch {
		case v.Deferred:
			expanded.parts = append(expanded.parts, part{reference: p.reference, place: to})
		case v.Raw || p.reference.Raw || isWhole || to == inJSON:
			s.scan(v.Text)
			expanded = expanded.literal(v.Text)
		default:
			expanded = expanded.literal(to.encode(v.Text, false))
		}
	}
	return expanded
}

// Text returns the text of a template without references.
func (t Template) Text() string {
	var text strings.Builder
	for _, p := range t.parts {
		text.WriteString(p.text)
	}
	return text.String()
}

// Literal returns a template of text without references.
func Literal(text string) Template { return Template{}.literal(text) }

// IsEmpty reports whether there is neither text nor a reference.
func (t Template) IsEmpty() bool { return len(t.parts) == 0 }

// HasPrefix reports whether the text starts with prefix, whatever the values of references.
func (t Template) HasPrefix(prefix string) bool {
	return len(t.parts) > 0 && strings.HasPrefix(t.parts[0].text, prefix)
}

// After returns the template with a literal text before it.
func (t Template) After(text string) Template {
	return Template{append([]part{{text: text}}, t.parts...)}
}

// Skeleton returns the text with one character in place of each reference.
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

// Identity returns the text with its references, distinguishable from literal text that looks the same: names contain
// no zero bytes, and those in the text are doubled.
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

// Origins lists the origins of the values that Render inserts.
func (t Template) Origins() (list []Origin) {
	for _, p := range t.parts {
		if p.reference != nil {
			list = append(list, p.reference.Origin)
		}
	}
	return list
}

// IsFixed reports whether Render has nothing to insert.
func (t Template) IsFixed() bool { return len(t.Origins()) == 0 }

// Whole returns the origin of a template that is a single reference.
func (t Template) Whole() (o Origin, ok bool) {
	if len(t.parts) != 1 || t.parts[0].reference == nil {
		return o, false
	}
	return t.parts[0].reference.Origin, true
}

// Why a value from outside can't be inserted.
var (
	ErrRaw    = errors.New("values from outside can't be inserted raw")
	ErrSyntax = errors.New("values from outside must be inside a JSON string")
)

// MissingError is for a reference whose value is absent, or not allowed in its place.
type MissingError struct{ Origin Origin }

func (e *MissingError) Error() string {
	return "the request has no usable ${" + e.Origin.String() + "}"
}

// Check reports a reference that Render could not insert, whatever its value.
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

// Render inserts values from outside. The error is that of value, that of Check, or a *MissingError for a value that
// readers of the text would not get unchanged.
func (t Template) Render(value func(Origin) (string, error)) (string, error) {
	if err := t.Check(); err != nil {
		return "", err
	}
	var text strings.Builder
	var pathReference *Reference
	for _, p := range t.parts {
		if p.reference == nil {
			text.WriteString(p.text)
			continue
		}
		v, err := value(p.reference.Origin)
		if err != nil {
			return "", err
		}
		if !p.place.accepts(v) {
			return "", &MissingError{p.reference.Origin}
		}
		if p.place == inPath {
			pathReference = p.reference
		}
		text.WriteString(p.place.encode(v, true))
	}
	if pathReference != nil && t.addsDotSegments(text.String()) {
		return "", &MissingError{pathReference.Origin}
	}
	return text.String(), nil
}

// addsDotSegments reports whether the rendered path has more dot segments than the template. Servers may read encoded
// slashes and backslashes as slashes.
func (t Template) addsDotSegments(rendered string) bool {
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
