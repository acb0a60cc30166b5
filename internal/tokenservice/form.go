package tokenservice

import (
	"net/url"
	"slices"
	"strings"

	"token-fetch/internal/template"
)

const formType = "application/x-www-form-urlencoded"

// form is the body of a token request.
type form struct {
	url.Values                 // the static fields
	templates  []fieldTemplate // fields with references
	tokens     []callerToken   // the caller's tokens to be exchanged: the subject's, then the actor's
}

// fieldTemplate is a field with references.
type fieldTemplate struct {
	name  string
	texts []template.Template // rendered and joined with spaces
}

// callerToken is a token from the caller's request.
type callerToken struct {
	input
	field string
}

// add adds a field; its texts are joined with spaces.
func (f *form) add(name string, texts ...template.Template) {
	if slices.ContainsFunc(texts, func(t template.Template) bool { return !t.IsFixed() }) {
		f.templates = append(f.templates, fieldTemplate{name, texts})
		return
	}
	var fixed []string
	for _, t := range texts {
		fixed = append(fixed, t.Text())
	}
	f.Add(name, strings.Join(fixed, " "))
}

// has reports whether the form has a field with that name.
func (f *form) has(name string) bool {
	return f.Has(name) || slices.ContainsFunc(f.templates, func(l fieldTemplate) bool { return l.name == name }) ||
		slices.ContainsFunc(f.tokens, func(t callerToken) bool { return t.field == name })
}

// isFixed reports whether the form is the same for all calls.
func (f *form) isFixed() bool { return len(f.templates)+len(f.tokens) == 0 }

// headers are the headers, in lower case, of the caller's tokens.
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

// RequestBringsSubject reports whether what the service may refuse comes from the request, not from a named token.
func (s *Service) RequestBringsSubject() bool {
	return len(s.response.refusals) > 0 && s.ownInputs > 0 || s.form != nil && slices.ContainsFunc(s.form.tokens, func(t callerToken) bool { return t.field != "actor_token" })
}

// carries reports whether the header, in lower case, carries one of the caller's tokens.
func (f *form) carries(header string) bool { return slices.Contains(f.headers(), header) }

// body renders the form for a call.
func (f *form) body(v *values) (string, error) {
	if f.isFixed() {
		return f.Encode(), nil
	}
	dynamic := url.Values{}
	for _, token := range f.tokens {
		text, err := v.input(token.input)
		if err != nil {
			return "", err
		}
		dynamic.Set(token.field, text)
	}
	for _, field := range f.templates {
		find := v.find
		if field.name == "scope" {
			find = v.findMatching(scopeBytes.contains) // a space would add another scope
		}
		var texts []string
		for _, t := range field.texts {
			text, err := t.Render(find)
			if err != nil {
				return "", err
			}
			texts = append(texts, text)
		}
		dynamic.Add(field.name, strings.Join(texts, " "))
	}
	return f.Encode() + "&" + dynamic.Encode(), nil
}

// scopeBytes are the bytes allowed in a scope (RFC 6749 section 3.3).
var scopeBytes = newByteSet(letters + digits + "!#$%&'()*+,-./:;<=>?@[]^_`{|}~")
