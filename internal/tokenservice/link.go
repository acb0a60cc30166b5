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
	name    string   // nil until Link
	service *Service // nil before Link
	inputs  []int    // maps the token's inputs to those of the service that refers to it, by index
}

// readInputs determines which values of a request and which named tokens the service's own call depends on.
func (s *Service) readInputs() {
	for _, name := range s.forward {
		s.addInput(input{reading: lines, origin: template.Origin{Kind: template.Header, Name: name}})
	}
	s.callerToken = template.Origin{Kind: template.Header, Name: "authorization"}
	if s.form != nil {
		for _, token := range s.form.tokens {
			s.addInput(token.input)
		}
		s.callerToken = s.form.subject(s.callerToken)
	}
	for _, text := range s.allTemplates() {
		for _, origin := range text.Origins() {
			s.addOrigin(origin)
		}
	}
	s.ownInputs = len(s.inputs)
}

// subject is where the token to be exchanged comes from, if any.
func (f *form) subject(otherwise template.Origin) template.Origin {
	for _, token := range f.tokens {
		if token.field != "actor_token" {
			return token.origin
		}
	}
	for _, field := range f.templates {
		if origin, isWhole := field.texts[0].Whole(); isWhole && (field.name == "subject_token" || field.name == "assertion") {
			switch origin.Kind {
			case template.Token, template.Header, template.Cookie, template.Query:
				return origin
			default: // can't carry a token
			}
		}
	}
	return otherwise
}

// allTemplates returns all texts of the call that may have references.
func (s *Service) allTemplates() (texts []template.Template) {
	for _, header := range s.headerTemplates {
		texts = append(texts, header.text)
	}
	texts = append(texts, s.bodyTemplate)
	if s.form != nil {
		for _, field := range s.form.templates {
			texts = append(texts, field.texts...)
		}
	}
	if s.jwt != nil {
		texts = append(texts, s.jwt.claims)
	}
	return texts
}

func (s *Service) addOrigin(o template.Origin) {
	isOfCallerToken := o.Kind == template.Claim || o.Kind == template.Bearer
	switch {
	case o.Kind == template.Token:
		s.addLink(o.Name)
	case isOfCallerToken && s.callerToken.Kind == template.Token:
		s.addLink(s.callerToken.Name)
	default:
		s.addInput(s.inputOf(o))
	}
}

func (s *Service) addLink(name string) {
	if !slices.ContainsFunc(s.links, func(l link) bool { return l.name == name }) {
		s.links = append(s.links, link{name: name})
	}
}

// inputOf returns the input for a reference to the request.
func (s *Service) inputOf(o template.Origin) input {
	switch o.Kind {
	case template.Bearer:
		return input{reading: bearer, origin: s.callerToken, missing: ErrNoSubjectToken}
	case template.Claim:
		return input{reading: value, origin: o, jwt: s.callerToken}
	default:
		return input{reading: value, origin: o}
	}
}

// Links returns the names of the tokens that the call refers to.
func (s *Service) Links() (names []string) {
	for _, l := range s.links {
		names = append(names, l.name)
	}
	return names
}

// Link resolves the named tokens that the calls refer to. named are their services, already linked, in the order of
// Links. The result's tokens also depend on everything that theirs depend on.
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
		linked.removeConsumedBy(service)
		linked.links = append(linked.links, l)
	}
	linked.response.hasSubject = s.isExchange && linked.TakesBearerToken()
	if !linked.DependsOnCaller() {
		linked.response.refusals = nil // inherited: the gateway's own credentials are no caller's fault
	}
	return &linked
}

// addInputOfLink adds an input of a named token, and returns its index. Whether requests may lack it is decided by the
// call itself, or by all named tokens together.
func (s *Service) addInputOfLink(in input) (number int) {
	in.allowsMissing = in.allowsMissing || s.allowsMissing && errors.Is(in.missing, ErrNoSubjectToken)
	s.addInput(in)
	number = slices.IndexFunc(s.inputs, in.is)
	if number >= s.ownInputs {
		s.inputs[number].allowsMissing = s.inputs[number].allowsMissing && in.allowsMissing
	}
	return number
}

// removeConsumedBy also removes what a named token's call exchanges, except headers that are set.
func (s *Service) removeConsumedBy(named *Service) {
	for _, name := range named.Removed {
		if !slices.ContainsFunc(s.Protected, func(protected string) bool { return strings.EqualFold(protected, name) }) {
			s.remove([]template.Origin{{Kind: template.Header, Name: name}})
		}
	}
	for _, name := range named.RemovedCookies {
		s.remove([]template.Origin{{Kind: template.Cookie, Name: name}})
	}
}

// MaxFetchTime is the longest time until there is a token or an error: the timeouts of the call and of those it refers
// to, twice because the calls are repeated once if a service no longer accepts a named token.
func (s *Service) MaxFetchTime() time.Duration {
	if len(s.links) == 0 {
		return s.Timeout
	}
	return 2 * (s.Timeout + s.timeouts)
}

// CallerOf returns the caller of a named token, by index, with only the values that this token depends on; nil if it
// does not depend on the caller.
func (s *Service) CallerOf(number int, c *Caller) *Caller {
	l := s.links[number]
	if len(l.inputs) == 0 {
		return nil
	}
	var to []byte
	for own, number := range l.inputs {
		for _, g := range c.given {
			if g.input == number {
				to = appendValue(to, own, g.text)
			}
		}
	}
	return l.service.Caller(to)
}

// values resolves the references of one call.
type values struct {
	service *Service
	caller  *Caller
	named   []string // tokens, in the order of the service's links
	written int      // bytes of the values so far
}

// maxCallValues limits the bytes of all values in one call: a configuration that refers to a value many times must not
// turn a request's few kilobytes into a call of many megabytes.
const maxCallValues = 1 << 20

// find returns the value of a reference.
func (v *values) find(o template.Origin) (string, error) {
	text, err := v.resolve(o)
	if v.written += len(text); v.written > maxCallValues {
		return "", &MissingError{Origin: o}
	}
	return text, err
}

func (v *values) resolve(o template.Origin) (string, error) {
	switch {
	case o.Kind == template.Token:
		return v.token(o.Name), nil
	case o.Kind == template.Bearer && v.service.callerToken.Kind == template.Token:
		return v.token(v.service.callerToken.Name), nil
	case o.Kind == template.Claim && v.service.callerToken.Kind == template.Token:
		text, ok := claim(v.token(v.service.callerToken.Name), o.Name)
		return text, checkValue(text, ok, o)
	default:
		return v.input(v.service.inputOf(o))
	}
}

// findMatching is find for values that must satisfy a condition.
func (v *values) findMatching(isAllowed func(string) bool) func(template.Origin) (string, error) {
	return func(o template.Origin) (string, error) {
		text, err := v.find(o)
		if err == nil && !isAllowed(text) {
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

// input returns the caller's value.
func (v *values) input(in input) (string, error) {
	text, ok := v.caller.text(in)
	if !ok {
		return "", &MissingError{Origin: in.origin}
	}
	return text, nil
}

// Warnings lists what clients could do through what the chain of calls refers to, and what has no effect without it.
func (s *Service) Warnings() (texts []string) {
	if s.setsRefusals && !s.DependsOnCaller() {
		texts = append(texts, keyRefusedWhen.Name+" is not used: the call sends nothing of the client's request, so the token service can't refuse the caller")
	}
	for i := range s.inputs {
		switch in := &s.inputs[i]; {
		case in.reading != value:
		case in.origin.Kind == template.Claim && !s.isSent(in.jwt):
			texts = append(texts, "${"+in.origin.String()+"} is read from a token that no call sends to a service to verify: "+
				"any client could forge the claim and get another one's token (have an earlier filter verify the token)")
		case in.origin.Kind == template.Header || in.origin.Kind == template.Cookie || in.origin.Kind == template.Query:
			texts = append(texts, "${"+in.origin.String()+"} is set by the client: it can choose whose token it gets "+
				"(restrict this rule to trusted clients, or have an earlier filter set it)")
		}
	}
	return texts
}

// isSent reports whether a call sends the value from this origin.
func (s *Service) isSent(from template.Origin) bool {
	return slices.ContainsFunc(s.inputs, func(in input) bool { return in.origin == from })
}
