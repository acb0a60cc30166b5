package tokenservice

import (
	"net/url"
	"strings"
	"testing"

	"token-fetch/internal/fuzzing"
	"token-fetch/internal/template"
)

// What a client's header has in place of a token to be exchanged is refused, and a token arrives in the
// form as it came.
func FuzzBearer(f *testing.F) {
	for _, value := range []string{"Bearer t1", "bearer  t1 ", "Bearer", "Bearer ", "Basic dTpw", "t1", "t1 t2", "Bearer t1, Bearer t2", "Bearer t1&client_id=evil",
		"Bearer a.b.c", "Bearer \x00", "Bearer é", "BEARER\tt1", "Bearer " + strings.Repeat("[", 20_000), "Bearer " + strings.Repeat("a", 16<<10+1), strings.Repeat(" ", 50_000)} {
		f.Add(value, true)
		f.Add(value, false)
	}
	f.Fuzz(func(t *testing.T, value string, inAuthorization bool) {
		from := template.Origin{Kind: template.Header, Name: "x-user-token"}
		if inAuthorization {
			from.Name = "authorization"
		}
		var token string
		var ok bool
		fuzzing.InTime(t, len(value), func() { token, ok = bearerToken(value, from) })
		if !ok {
			return
		}
		if token == "" || len(token) > maxTokenBytes || strings.Trim(token, letters+digits+"-._~+/=") != "" {
			t.Errorf("%.100q: got %.100q, which is no token (RFC 6750 section 2.1)", value, token)
		}
		trimmed := strings.TrimSpace(value)
		hasScheme := len(trimmed) > len("bearer ") && strings.EqualFold(trimmed[:len("bearer ")], "bearer ")
		if !strings.HasSuffix(trimmed, token) || !hasScheme && (inAuthorization || trimmed != token) {
			t.Errorf("%.100q: got %.100q, expected all that follows Bearer", value, token)
		}
		in := input{reading: bearer, origin: from}
		caller := (&Service{inputs: []input{in}}).Caller(appendValue(nil, 0, token))
		body, err := (&form{Values: url.Values{"client_id": {"gateway"}}, tokens: []callerToken{{in, "subject_token"}}}).body(&values{caller: caller})
		if err != nil {
			t.Fatal(err)
		}
		form, err := url.ParseQuery(body)
		if err != nil || len(form) != 2 || len(form["client_id"]) != 1 || form.Get("client_id") != "gateway" || form.Get("subject_token") != token {
			t.Errorf("%.100q: got the form %v, %v", value, form, err)
		}
	})
}
