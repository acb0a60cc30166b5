package services_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"token-fetch/e2e/harness"
)

// call is one that a service takes, as testdata/services.yaml has it.
type call struct {
	Request string             // method, host and target
	Headers map[string]*string // nil: there is none
	Basic   []string           // the client's credentials, as RFC 6749 section 2.3.1 has them
	Body    *string
	JSON    any
	Form    map[string]any // each a text, or several
	Signed  *signature     // of the form's assertion or, without one, of the bearer token
	Answer  struct {
		Status  int
		Headers []string
		Body    string
	}
}

// signature is of a JWT by the recipes' key, which has these claims, and when it was signed, its end and an id.
type signature struct {
	Lifetime time.Duration
	Claims   map[string]any
}

// filled replaces $NAME with the variable's value.
func filled(text string) string { return os.Expand(text, valueOf) }

var firewall = regexp.MustCompile(`^token-fetch/[0-9.]+$`)

// check holds a call against all that the service wants.
func (c call) check(r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	problems := []error{err}
	expect := func(what string, got, want any) {
		if !reflect.DeepEqual(got, want) {
			problems = append(problems, fmt.Errorf("%s is %q, want %q", what, got, want))
		}
	}
	if agent := r.UserAgent(); !firewall.MatchString(agent) {
		problems = append(problems, fmt.Errorf("the firewall does not let %q pass", agent))
	}
	expect("the request", r.Method+" "+r.Host+r.RequestURI, c.Request)
	for name, value := range c.Headers {
		var want []string
		if value != nil {
			want = []string{filled(*value)}
		}
		expect(name, r.Header.Values(name), want)
	}
	if c.Basic != nil {
		id, secret, _ := r.BasicAuth()
		expect("the client", []string{id, secret}, []string{url.QueryEscape(filled(c.Basic[0])), url.QueryEscape(filled(c.Basic[1]))})
	}
	if c.Body != nil {
		expect("the body", string(body), filled(*c.Body))
	}
	if c.JSON != nil {
		var got any
		problems = append(problems, json.Unmarshal(body, &got))
		expect("the body", got, parsed(c.JSON))
	}
	form, err := url.ParseQuery(strings.TrimSpace(string(body)))
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if c.Form != nil {
		problems = append(problems, err)
		expect("Content-Type", r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
		want := url.Values{}
		for name, value := range c.Form {
			for _, text := range asList(parsed(value)) {
				want.Add(name, text.(string))
			}
		}
		if want.Get("assertion") == "*" {
			token = form.Get("assertion")
			form.Set("assertion", "*")
		}
		expect("the form", form, want)
	}
	if c.Signed != nil {
		problems = append(problems, c.Signed.verify(token))
	}
	return errors.Join(problems...)
}

func asList(value any) []any {
	if list, isList := value.([]any); isList {
		return list
	}
	return []any{value}
}

// parsed is what JSON of the value would be read as, the variables filled in.
func parsed(value any) (result any) {
	switch value := value.(type) {
	case string:
		return filled(value)
	case []any:
		var list []any
		for _, member := range value {
			list = append(list, parsed(member))
		}
		return list
	case map[string]any:
		object := map[string]any{}
		for name, member := range value {
			object[name] = parsed(member)
		}
		return object
	case int:
		return float64(value)
	}
	return value
}

func (s signature) verify(token string) error {
	signed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return fmt.Errorf("%q is no JWT: %w", token, err)
	}
	var got map[string]any
	if err := signed.Claims(harness.ClientKeys()["RS256"].Public(), &got); err != nil {
		return err
	}
	iat, _ := got["iat"].(float64)
	exp, _ := got["exp"].(float64)
	if age := time.Since(time.Unix(int64(iat), 0)); age < 0 || age > time.Minute || exp-iat != s.Lifetime.Seconds() || got["jti"] == "" {
		return fmt.Errorf("signed %s ago until %v, jti %q, want now and %s later", age, exp, got["jti"], s.Lifetime)
	}
	for _, name := range []string{"iat", "exp", "jti"} {
		delete(got, name)
	}
	if want := parsed(s.Claims); !reflect.DeepEqual(any(got), want) {
		return fmt.Errorf("the claims are %v, want %v", got, want)
	}
	return nil
}

// answer sends what the service answers.
func (c call) answer(w http.ResponseWriter) {
	answers(max(c.Answer.Status, http.StatusOK), filled(c.Answer.Body), c.Answer.Headers...)(w)
}

// answers has headers as "Name: value".
func answers(status int, body string, headers ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for _, line := range headers {
			name, value, _ := strings.Cut(line, ": ")
			w.Header().Add(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}
