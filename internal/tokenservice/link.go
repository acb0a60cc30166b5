package tokenservice

import (
	"errors"
	"slices"
	"strings"
	"time"

	"token-fetch/internal/template"
)

// link is a named token that a call refers to.
type link struct {
	name    string
	service *Service // nil before Link
	inputs  []int    // of the service that refers to it, by the numbers of the token's own
}

// readInputs finds what of a request the service's own call depends on, and which named tokens it refers to.
func (s *Service) readInputs() {
	for _, name := range s.forward {
		s.addInput(input{reading: lines, origin: template.Origin{Kind: template.Header, Name: name}})
	}
	s.claimsOf = template.Origin{Kind: template.Header, Name: "authorization"}
	if s.form != nil {
		for _, token := range s.form.tokens {
			s.addInput(token.input)
		}
		s.claimsOf = s.form.subject(s.claimsOf)
	}
	for _, text := range s.templates() {
		for _, origin := range text.Origins() {
			s.addOrigin(origin)
		}
	}
	s.own = len(s.inputs)
}

// subject is where the token comes from that becomes another one, if there is one.
func (f *form) subject(otherwise template.Origin) template.Origin {
	for _, token := range f.tokens {
		if token.field != "actor_token" {
			return token.origin
		}
	}
	for _, field := range f.late {
		if origin, isWhole := field.texts[0].Whole(); isWhole && (field.name == "subject_token" || field.name == "assertion") {
			switch origin.Kind {
			case template.Token, template.Header, template.Cookie, template.Query:
				return origin
			default: // what can have no token
			}
		}
	}
	return otherwise
}

// templates are all texts of the call that may have references.
func (s *Service) templates() (texts []template.Template) {
	for _, header := range s.late {
		texts = append(texts, header.text)
	}
	texts = append(texts, s.lateBody)
	if s.form != nil {
		for _, field := range s.form.late {
			texts = append(texts, field.texts...)
		}
	}
	if s.jwt != nil {
		texts = append(texts, s.jwt.claims)
	}
	return texts
}

func (s *Service) addOrigin(o template.Origin) {
	switch {
	case o.Kind == template.Token:
		s.addLink(o.Name)
	case o.Kind == template.Claim && s.claimsOf.Kind == template.Token:
		s.addLink(s.claimsOf.Name)
	default:
		s.addInput(s.inputOf(o))
	}
}

func (s *Service) addLink(name string) {
	if !slices.ContainsFunc(s.links, func(l link) bool { return l.name == name }) {
		s.links = append(s.links, link{name: name})
	}
}

// inputOf is the input that a reference to the request stands for.
func (s *Service) inputOf(o template.Origin) input {
	in := input{reading: value, origin: o}
	if o.Kind == template.Claim {
		in.jwt = s.claimsOf
	}
	return in
}

// Links are the names of the tokens that the call refers to.
func (s *Service) Links() (names []string) {
	for _, l := range s.links {
		names = append(names, l.name)
	}
	return names
}

// Link returns the service whose calls refer to the named tokens of these services, which are linked themselves, in the order
// of Links. Its tokens depend on all that theirs depend on.
func (s *Service) Link(named []*Service) *Service {
	linked := *s
	linked.inputs, linked.links = slices.Clone(s.inputs), nil
	linked.Removed, linked.RemovedCookies = slices.Clone(s.Removed), slices.Clone(s.RemovedCookies)
	for i, service := range named {
		l := link{name: s.links[i].name, service: service}
		for _, in := range service.inputs {
			l.inputs = append(l.inputs, linked.addInputOfLink(in))
		}
		linked.timeouts += service.Timeout + service.timeouts
		linked.removeAsWell(service)
		linked.links = append(linked.links, l)
	}
	linked.answer.hasSubject = s.isExchange && slices.ContainsFunc(linked.inputs, func(in input) bool { return in.reading == bearer })
	return &linked
}

// addInputOfLink adds what a named token depends on, and returns its number. Whether a request may lack it is for the call
// itself to say, or for all named tokens together.
func (s *Service) addInputOfLink(in input) (number int) {
	in.allowsMissing = in.allowsMissing || s.allowsMissing && errors.Is(in.missing, ErrNoSubjectToken)
	s.addInput(in)
	number = slices.IndexFunc(s.inputs, in.is)
	if number >= s.own {
		s.inputs[number].allowsMissing = s.inputs[number].allowsMissing && in.allowsMissing
	}
	return number
}

// removeAsWell has what a named token has exchanged not go on to the upstream either, unless it is set there.
func (s *Service) removeAsWell(of *Service) {
	for _, name := range of.Removed {
		if !slices.ContainsFunc(s.Protected, func(own string) bool { return strings.EqualFold(own, name) }) {
			s.remove([]template.Origin{{Kind: template.Header, Name: name}})
		}
	}
	for _, name := range of.RemovedCookies {
		s.remove([]template.Origin{{Kind: template.Cookie, Name: name}})
	}
}

// MaxFetchTime is the longest time until a token is there, or an error: that of the call and of those that it refers to, and
// once more where they are repeated as a service does not take a named token any more.
func (s *Service) MaxFetchTime() time.Duration {
	if len(s.links) == 0 {
		return s.Timeout
	}
	return 2 * (s.Timeout + s.timeouts)
}

// CallerOf is the caller of the named token with that number, whom nothing else belongs to than what that token depends on; nil
// where it depends on no caller.
func (s *Service) CallerOf(number int, c *Caller) *Caller {
	l := s.links[number]
	if len(l.inputs) == 0 {
		return nil
	}
	var to []byte
	for own, of := range l.inputs {
		for _, g := range c.given {
			if g.input == of {
				to = appendValue(to, own, g.text)
			}
		}
	}
	return l.service.Caller(to)
}

// values are what the references of one call stand for.
type values struct {
	service *Service
	caller  *Caller
	named   []string // the tokens, in the order of the service's links
	written int      // bytes of the values so far
}

// maxCallValues is how many bytes all values of one call may have: a configuration that refers to a value many times must not make
// of a request's few kilobytes a call of many megabytes.
const maxCallValues = 1 << 20

// find is the value that a reference stands for.
func (v *values) find(o template.Origin) (string, error) {
	text, err := v.look(o)
	if v.written += len(text); v.written > maxCallValues {
		return "", &MissingError{Origin: o}
	}
	return text, err
}

func (v *values) look(o template.Origin) (string, error) {
	switch {
	case o.Kind == template.Token:
		return v.token(o.Name), nil
	case o.Kind == template.Claim && v.service.claimsOf.Kind == template.Token:
		text, ok := claim(v.token(v.service.claimsOf.Name), o.Name)
		return text, checkValue(text, ok, o)
	default:
		return v.of(v.service.inputOf(o))
	}
}

// findOf is find for values of which only some fit.
func (v *values) findOf(fits func(string) bool) func(template.Origin) (string, error) {
	return func(o template.Origin) (string, error) {
		text, err := v.find(o)
		if err == nil && !fits(text) {
			err = &MissingError{Origin: o}
		}
		return text, err
	}
}

func (v *values) token(name string) string {
	for i, l := range v.service.links {
		if l.name == name {
			return v.named[i]
		}
	}
	return ""
}

// of is the caller's value.
func (v *values) of(in input) (string, error) {
	text, ok := v.caller.text(in)
	if !ok {
		return "", &MissingError{Origin: in.origin}
	}
	return text, nil
}

// Warnings are of what a client can do by what the chain of calls refers to.
func (s *Service) Warnings() (texts []string) {
	for i := range s.inputs {
		switch in := &s.inputs[i]; {
		case in.reading != value:
		case in.origin.Kind == template.Claim && !s.isSent(in.jwt):
			texts = append(texts, "${"+in.origin.String()+"} is read from a token that no call sends to a service that verifies it: "+
				"any client could write the claim, and get another one's token (let a filter before this one verify the token)")
		case in.origin.Kind == template.Header || in.origin.Kind == template.Cookie || in.origin.Kind == template.Query:
			texts = append(texts, "${"+in.origin.String()+"} is what the client writes: it chooses whose token it gets "+
				"(let only clients reach this rule that may, or have a filter before this one set it)")
		}
	}
	return texts
}

// isSent reports whether a call sends on what comes from there.
func (s *Service) isSent(from template.Origin) bool {
	return slices.ContainsFunc(s.inputs, func(in input) bool { return in.origin == from })
}
