package tokenservice

import (
	"net/url"
	"strings"
	"testing"

	"token-fetch/internal/fuzzing"
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
		subject := callerToken{header: "x-user-token", field: "subject_token"}
		if inAuthorization {
			subject.header = "authorization"
		}
		var token string
		var ok bool
		fuzzing.InTime(t, len(value), func() { token, ok = subject.bearer(value) })
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
		exchange := &callerExchange{form: url.Values{"client_id": {"gateway"}}, tokens: []callerToken{subject}}
		form, err := url.ParseQuery(string(exchange.body(&Caller{tokens: [2]string{token}})))
		if err != nil || len(form) != 2 || len(form["client_id"]) != 1 || form.Get("client_id") != "gateway" || form.Get("subject_token") != token {
			t.Errorf("%.100q: got the form %v, %v", value, form, err)
		}
	})
}
