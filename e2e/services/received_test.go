package services_test

import (
	"bytes"
	stdjson "encoding/json"
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

// received is a token call with its body.
type received struct {
	*http.Request
	body []byte
}

// check holds a call against all that the service wants.
func (c call) check(r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	got := &received{r, body}
	if agent := r.UserAgent(); !regexp.MustCompile(`^token-fetch/[0-9.]+$`).MatchString(agent) {
		return fmt.Errorf("the firewall does not let %q pass", agent)
	}
	for _, takes := range c.takes {
		if err := takes(got); err != nil {
			return err
		}
	}
	return nil
}

// filled has a variable's value in the place of $NAME.
func filled(text string) string { return os.Expand(text, secretOf) }

func is(method, host, target string) func(*received) error {
	return func(r *received) error {
		if got, want := r.Method+" "+r.Host+r.RequestURI, method+" "+host+target; got != want {
			return fmt.Errorf("called %s, want %s", got, want)
		}
		return nil
	}
}

func header(name, want string) func(*received) error {
	return func(r *received) error {
		if got := r.Header.Values(name); len(got) != 1 || got[0] != filled(want) {
			return fmt.Errorf("%s is %q, want %q", name, got, filled(want))
		}
		return nil
	}
}

func noHeader(name string) func(*received) error {
	return func(r *received) error {
		if got := r.Header.Values(name); len(got) > 0 {
			return fmt.Errorf("%s is %q, want none", name, got)
		}
		return nil
	}
}

func body(want string) func(*received) error {
	return func(r *received) error {
		if string(r.body) != filled(want) {
			return fmt.Errorf("the body is %q, want %q", r.body, filled(want))
		}
		return nil
	}
}

// json compares what the service reads out of the body. In want, $NAME is a variable's value, as the service must see it.
func json(want string) func(*received) error {
	return func(r *received) error {
		var got, expected any
		if err := stdjson.Unmarshal(r.body, &got); err != nil {
			return fmt.Errorf("the body is %q: %w", r.body, err)
		}
		if err := stdjson.Unmarshal([]byte(want), &expected); err != nil {
			return err
		}
		if expected = fillAll(expected); !reflect.DeepEqual(got, expected) {
			return fmt.Errorf("the body has %v, want %v", got, expected)
		}
		return nil
	}
}

func fillAll(value any) any {
	switch value := value.(type) {
	case string:
		return filled(value)
	case []any:
		for i := range value {
			value[i] = fillAll(value[i])
		}
	case map[string]any:
		for name := range value {
			value[name] = fillAll(value[name])
		}
	}
	return value
}

// form wants these fields, each as NAME=VALUE, and no others. A VALUE that is * is left to another check.
func form(fields ...string) func(*received) error {
	want := url.Values{}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, "=")
		want.Add(name, filled(value))
	}
	return func(r *received) error {
		got, err := url.ParseQuery(string(bytes.TrimSpace(r.body)))
		for name := range want {
			if want.Get(name) == "*" && len(got[name]) == 1 {
				got.Set(name, "*")
			}
		}
		if err != nil || !reflect.DeepEqual(got, want) || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			return fmt.Errorf("the form is %v (%w, %s), want %v", got, err, r.Header.Get("Content-Type"), want)
		}
		return nil
	}
}

// signed verifies a JWT by the recipes' public key. Its claims are these, and when it was signed, its end and an id.
func signed(read func(*received) string, lifetime time.Duration, claims map[string]any) func(*received) error {
	return func(r *received) error {
		token, err := jwt.ParseSigned(read(r), []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			return fmt.Errorf("%q is no JWT: %w", read(r), err)
		}
		var got map[string]any
		if err := token.Claims(harness.ClientKeys()["RS256"].Public(), &got); err != nil {
			return err
		}
		iat, _ := got["iat"].(float64)
		exp, _ := got["exp"].(float64)
		if age := time.Since(time.Unix(int64(iat), 0)); age < 0 || age > time.Minute || exp-iat != lifetime.Seconds() || got["jti"] == "" {
			return fmt.Errorf("signed %s ago until %v, jti %q, want now and %s later", age, exp, got["jti"], lifetime)
		}
		for _, name := range []string{"iat", "exp", "jti"} {
			delete(got, name)
		}
		if !reflect.DeepEqual(got, claims) {
			return fmt.Errorf("the claims are %v, want %v", got, claims)
		}
		return nil
	}
}

func bearer(r *received) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token
}

func field(name string) func(*received) string {
	return func(r *received) string {
		form, _ := url.ParseQuery(string(r.body))
		return form.Get(name)
	}
}

// basic wants the client's credentials as RFC 6749 section 2.3.1 has them.
func basic(id, secret string) func(*received) error {
	return func(r *received) error {
		gotID, gotSecret, ok := r.BasicAuth()
		wantID, wantSecret := url.QueryEscape(filled(id)), url.QueryEscape(filled(secret))
		if !ok || gotID != wantID || gotSecret != wantSecret {
			return fmt.Errorf("the credentials are %q and %q, want %q and %q", gotID, gotSecret, wantID, wantSecret)
		}
		return nil
	}
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
