package tokenservice

import (
	"net/url"
	"slices"
	"strings"

	"token-fetch/internal/template"
)

// form is the body of a token request.
type form struct {
	url.Values               // what is known when the configuration is read
	late       []lateField   // what refers to values of a call
	tokens     []callerToken // what the caller's request brings to be exchanged: the subject's token, then the actor's
}

// lateField has its value when a call is made.
type lateField struct {
	name  string
	texts []template.Template // joined by spaces
}

// callerToken is a token that the caller's request brings.
type callerToken struct {
	input
	field string
}

// add adds a field, whose texts are joined by spaces.
func (f *form) add(name string, texts ...template.Template) {
	if slices.ContainsFunc(texts, func(t template.Template) bool { return !t.IsFixed() }) {
		f.late = append(f.late, lateField{name, texts})
		return
	}
	var fixed []string
	for _, t := range texts {
		fixed = append(fixed, t.Text())
	}
	f.Add(name, strings.Join(fixed, " "))
}

// has reports whether the form has a field of that name.
func (f *form) has(name string) bool {
	return f.Has(name) || slices.ContainsFunc(f.late, func(l lateField) bool { return l.name == name }) ||
		slices.ContainsFunc(f.tokens, func(t callerToken) bool { return t.field == name })
}

// isFixed reports whether all calls have the same form.
func (f *form) isFixed() bool { return len(f.late)+len(f.tokens) == 0 }

// headers are those of the caller's tokens, in lower case.
func (f *form) headers() (names []string) {
	if f == nil {
		return nil
	}
	for _, token := range f.tokens {
		if token.origin.Kind == template.Header {
			names = append(names, token.origin.Name)
		}
	}
	return names
}

// RequestBringsSubject reports whether the token to be exchanged comes from the request itself, rather than by a named token.
func (s *Service) RequestBringsSubject() bool {
	return s.form != nil && slices.ContainsFunc(s.form.tokens, func(t callerToken) bool { return t.field != "actor_token" })
}

// carries reports whether the header, in lower case, has one of the caller's tokens.
func (f *form) carries(header string) bool { return slices.Contains(f.headers(), header) }

// body is the form of a call.
func (f *form) body(v *values) (string, error) {
	if f.isFixed() {
		return f.Encode(), nil
	}
	late := url.Values{}
	for _, token := range f.tokens {
		text, err := v.of(token.input)
		if err != nil {
			return "", err
		}
		late.Set(token.field, text)
	}
	for _, field := range f.late {
		find := v.find
		if field.name == "scope" {
			find = v.findOf(scopeBytes.isOf) // a space would be one more scope
		}
		var texts []string
		for _, t := range field.texts {
			text, err := t.Render(find)
			if err != nil {
				return "", err
			}
			texts = append(texts, text)
		}
		late.Add(field.name, strings.Join(texts, " "))
	}
	return f.Encode() + "&" + late.Encode(), nil
}

// scopeBytes may be in a scope (RFC 6749 section 3.3).
var scopeBytes = newByteSet(letters + digits + "!#$%&'()*+,-./:;<=>?@[]^_`{|}~")
