package tokenservice

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"
)

// jwtParts are those of a signed assertion.
type jwtParts struct {
	header, claims map[string]any
	message        string // that is signed
	signature      []byte
}

// readAssertion reads what a call bears.
func readAssertion(t *testing.T, call Call) jwtParts {
	t.Helper()
	form, err := url.ParseQuery(string(call.Body))
	if err != nil {
		t.Fatal(err)
	}
	if got := form["client_assertion_type"]; len(got) != 1 || got[0] != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		t.Errorf("client_assertion_type: got %q", got)
	}
	if len(form["client_assertion"]) != 1 || form.Get("client_id") != "id" || form.Has("client_secret") {
		t.Fatalf("form: got %q, expected one assertion, the client's id and no secret", form)
	}
	return splitJWT(t, form.Get("client_assertion"))
}

func splitJWT(t *testing.T, text string) (parts jwtParts) {
	t.Helper()
	encoded := strings.Split(text, ".")
	if len(encoded) != 3 {
		t.Fatalf("assertion: got %d parts, expected 3", len(encoded))
	}
	parts.message = encoded[0] + "." + encoded[1]
	for i, to := range []any{&parts.header, &parts.claims, nil} {
		data, err := base64.RawURLEncoding.DecodeString(encoded[i])
		if err == nil && to != nil {
			err = json.Unmarshal(data, to)
		}
		if err != nil {
			t.Fatalf("part %d of the assertion: %v", i, err)
		}
		parts.signature = data
	}
	return parts
}

func secretJWT(more string) string {
	return `"clientId": "id", "authStyle": "client_secret_jwt", "clientSecret": "` + longSecret + `"` + more
}

// RFC 7523 section 3.
func TestClaims(t *testing.T) {
	const at = `, "requestPath": "/realms/a/token?x=1", "serviceHost": "idp.example.com"`
	config := func(oauth2, more string) string {
		return `{"serviceName": "idp.dns", "oauth2": {` + secretJWT(oauth2) + `}` + more + `}`
	}
	tests := map[string]struct {
		config         string
		audience, path string
		header         map[string]any
	}{
		"by itself":      {config("", at), "https://idp.example.com/realms/a/token", "", map[string]any{"alg": "HS256", "typ": "JWT"}},
		"no host":        {config("", `, "requestPath": "token"`), "https://idp.dns/token", "", map[string]any{"alg": "HS256", "typ": "JWT"}},
		"host with port": {config("", `, "requestPath": "/", "serviceHost": "idp.example.com:8443"`), "https://idp.example.com:8443/", "", map[string]any{"alg": "HS256", "typ": "JWT"}},
		"written down":   {config(`, "assertionAudience": "urn:a\"b", "keyId": "<k>"`, at), `urn:a"b`, "", map[string]any{"alg": "HS256", "typ": "JWT", "kid": "<k>"}},
		"by variables":   {config(`, "assertionAudience": "${NAME}", "keyId": "${NAME}"`, at), "value", "", map[string]any{"alg": "HS256", "typ": "JWT", "kid": "value"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			parts := readAssertion(t, mustCall(t, mustRead(t, test.config), nil))
			if !maps.Equal(parts.header, test.header) {
				t.Errorf("header: got %v, expected %v", parts.header, test.header)
			}
			id, _ := parts.claims["jti"].(string)
			if len(id) < 22 { // 128 bits
				t.Errorf("jti: got %q, expected a random one", id)
			}
			delete(parts.claims, "jti")
			want := map[string]any{"iss": "id", "sub": "id", "aud": test.audience, "iat": float64(now.Unix()), "exp": float64(now.Unix() + 60)}
			if !maps.Equal(parts.claims, want) {
				t.Errorf("claims: got %v, expected %v", parts.claims, want)
			}
			code := hmac.New(sha256.New, []byte(longSecret))
			code.Write([]byte(parts.message))
			if !hmac.Equal(parts.signature, code.Sum(nil)) {
				t.Error("the signature is not the secret's")
			}
		})
	}
}

// Servers take a jti only once, and an assertion only in its time.
func TestEachCallHasItsOwnAssertion(t *testing.T) {
	service := mustRead(t, oauth2Config(secretJWT(""), ""))
	seen := map[any]bool{}
	for i := range 100 {
		at := now.Add(time.Duration(i) * time.Second)
		call, err := service.Call(nil, nil, nil, at)
		if err != nil {
			t.Fatal(err)
		}
		claims := readAssertion(t, call).claims
		if seen[claims["jti"]] {
			t.Errorf("jti %v: got it twice", claims["jti"])
		}
		seen[claims["jti"]] = true
		if claims["iat"] != float64(at.Unix()) {
			t.Errorf("iat: got %v, expected %d", claims["iat"], at.Unix())
		}
	}
	if strings.Contains(string(service.call.Body), "client_assertion=") {
		t.Errorf("the service's own call has changed: %s", service.call.Body)
	}
}

func TestSignatureThatFails(t *testing.T) {
	service := mustRead(t, oauth2Config(secretJWT(""), ""))
	service.assertion.key.sign = func([]byte) ([]byte, error) { return nil, errors.New("of a key that is s3cr3t") }
	call, err := service.Call(nil, nil, nil, now)
	if got, want := fmt.Sprint(err), "can't be called: the client's assertion can't be signed"; got != want || call.Headers != nil || call.Body != nil {
		t.Errorf("got %v and %q, expected %q and no call", call, got, want)
	}
}
