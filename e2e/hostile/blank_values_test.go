package hostile_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"token-fetch/e2e/harness"
)

// HTTP/2 carries blanks around a value, which HTTP/1 does not. Neither is a token of the client's own.
func TestBlankTokens(t *testing.T) {
	t.Parallel()
	exchange := func(more harness.Config) harness.Config {
		return harness.OAuth2Config("/exchange", harness.Merge(harness.Exchange, more), nil)
	}
	gateway := harness.Start(t, harness.Options{Details: true, Config: harness.ByHost(map[string]harness.Config{
		"own":            harness.PlainConfig(harness.Config{"overwrite": false}),
		"bearer":         exchange(nil),
		"subject-header": exchange(harness.Config{"subjectTokenHeader": "X-Subject"}),
		"actor":          exchange(harness.Config{"subjectTokenHeader": "X-Subject", "actorTokenHeader": "X-Actor"}),
	})})
	h1, h2 := http1Client{gateway: gateway}, http2Client{gateway: gateway}
	for _, blank := range []string{"", " ", "  ", "\t", " \t "} {
		for _, test := range []struct {
			host, field, before string
			want                answer
			calls               int
		}{
			{"own", "x-token", "", answer{status: http.StatusOK}, 1},
			{"bearer", "authorization", "", answer{status: http.StatusUnauthorized, details: "token_fetch.no_subject_token"}, 0},
			{"bearer", "authorization", "Bearer ", answer{status: http.StatusUnauthorized, details: "token_fetch.no_subject_token"}, 0},
			{"subject-header", "x-subject", "", answer{status: http.StatusUnauthorized, details: "token_fetch.no_subject_token"}, 0},
			{"actor", "x-actor", "", answer{status: http.StatusUnauthorized, details: "token_fetch.no_actor_token"}, 0},
		} {
			value := test.before + blank
			fields := [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", test.host}, {"x-subject", "subject"}, {test.field, value}}
			if test.field == "x-subject" {
				fields = slices.Delete(fields, 4, 5)
			}
			request := "GET / HTTP/1.1\r\nHost: " + test.host
			for _, field := range fields[4:] {
				request += "\r\n" + field[0] + ":" + field[1]
			}
			for version, send := range map[string]func() answer{
				"HTTP/1.1": func() answer { return h1.send(t, request+"\r\n\r\n") },
				"HTTP/2":   func() answer { return h2.send(t, fields, "") },
			} {
				name := fmt.Sprintf("%s: %s: %s %q", version, test.host, test.field, value)
				gateway.Token.Forget()
				gateway.Upstream.Forget()
				if got := send(); got.status != test.want.status || got.details != test.want.details {
					t.Errorf("%s: answered %d %s, want %d %s", name, got.status, got.details, test.want.status, test.want.details)
				}
				if calls := len(gateway.Token.Calls()); calls != test.calls {
					t.Errorf("%s: %d token calls, want %d", name, calls, test.calls)
				}
				for _, received := range gateway.Upstream.Requests() {
					if tokens := received.Header.Values("X-Token"); !slices.Equal(tokens, []string{"token-1"}) {
						t.Errorf("%s: the upstream received the tokens %q, want the token service's", name, tokens)
					}
				}
			}
		}
	}
}
