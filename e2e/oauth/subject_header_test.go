package oauth

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// subjectHeaderCases are about what reaches the upstream of the tokens that a client brings to be exchanged.
var subjectHeaderCases = map[string]struct {
	oauth2, more map[string]any
	headers      []string         // of the request, as "Name: value"
	answer       http.HandlerFunc // of the token service; nil: it exchanges
	want         []string         // of subjectHeaders, what the upstream must receive
	passes       []string         // of subjectTrailers, those that must reach the upstream
}{
	"its header carries the token": {
		headers: []string{"Authorization: Bearer alice"},
		want:    []string{"Authorization: Bearer alice-1"}, passes: []string{"X-Token", "X-Subject", "X-Actor"},
	},
	"kept": {
		oauth2: map[string]any{"keepSubjectToken": true}, more: map[string]any{"tokenHeader": "X-Token"},
		headers: []string{"Authorization: Bearer alice"},
		want:    []string{"Authorization: Bearer alice", "X-Token: Bearer alice-1"}, passes: []string{"X-Subject", "X-Actor"},
	},
	"an actor": {
		oauth2:  map[string]any{"subjectTokenHeader": "X-Subject", "actorTokenHeader": "X-Actor"},
		headers: []string{"X-Subject: alice", "x-actor: Bearer gateway"},
		want:    []string{"Authorization: Bearer alice+gateway-1"}, passes: []string{"X-Token"},
	},
	"an assertion that is kept": {
		oauth2: map[string]any{"grantType": harness.JWTBearer, "subjectTokenHeader": "X-Subject", "keepSubjectToken": true}, more: map[string]any{"tokenHeader": "X-Token"},
		headers: []string{"X-Subject: Bearer alice", "Authorization: Basic YTpi"},
		want:    []string{"Authorization: Basic YTpi", "X-Subject: Bearer alice", "X-Token: Bearer alice-1"}, passes: []string{"X-Actor"},
	},
	"set by an answer that lacks it": {
		oauth2: map[string]any{"subjectTokenHeader": "X-Subject", "keepSubjectToken": true}, more: map[string]any{"upstreamHeaders": map[string]any{"X-Subject": "body:missing"}},
		headers: []string{"X-Subject: alice"},
		want:    []string{"Authorization: Bearer alice-1"}, passes: []string{"X-Token", "X-Actor"},
	},
	"allowed without, with an actor": {
		oauth2: map[string]any{"subjectTokenHeader": "X-Subject", "actorTokenHeader": "X-Actor"}, more: map[string]any{"failure": map[string]any{"mode": "allow"}},
		headers: []string{"X-Subject: alice", "X-Actor: gateway", "Authorization: Bearer forged"}, answer: harness.Status(503),
		passes: []string{"X-Token"},
	},
	"allowed without, kept": {
		oauth2: map[string]any{"keepSubjectToken": true}, more: map[string]any{"tokenHeader": "X-Token", "failure": map[string]any{"mode": "allow"}},
		headers: []string{"Authorization: Bearer alice"}, answer: harness.JSON(200, `{"access_token":"t","token_type":"DPoP"}`),
		want: []string{"Authorization: Bearer alice"}, passes: []string{"X-Subject", "X-Actor"},
	},
	"the client's own token": {
		oauth2: map[string]any{"actorTokenHeader": "X-Actor"}, more: map[string]any{"tokenHeader": "X-Token", "overwrite": false},
		headers: []string{"Authorization: Bearer alice", "X-Token: own", "X-Actor: gateway"},
		want:    []string{"X-Token: own"}, passes: []string{"X-Token", "X-Subject"},
	},
	"switched off": {
		oauth2: map[string]any{"subjectTokenHeader": "X-Subject", "actorTokenHeader": "X-Actor"}, more: map[string]any{"enabled": false},
		headers: []string{"Authorization: Bearer alice", "X-Subject: alice", "X-Actor: gateway"},
		want:    []string{"Authorization: Bearer alice", "X-Subject: alice", "X-Actor: gateway"}, passes: []string{"X-Token", "X-Subject", "X-Actor"},
	},
}

var (
	subjectHeaders  = []string{"Authorization", "X-Token", "X-Subject", "X-Actor"}
	subjectTrailers = []string{"X-Token", "X-Subject", "X-Actor"} // net/http takes no Authorization out of trailers
)

func TestSubjectHeader(t *testing.T) {
	t.Parallel()
	configs := map[string]map[string]any{}
	for name, test := range subjectHeaderCases {
		configs[harness.HostName(name)] = harness.OAuth2Config("/"+harness.HostName(name), harness.Merge(harness.Exchange, test.oauth2), test.more)
	}
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(configs), HTTP2Upstream: true})
	for name, test := range subjectHeaderCases {
		t.Run(name, func(t *testing.T) {
			gateway.Token.Handle(test.answer)
			if test.answer == nil {
				gateway.Token.Handle(harness.ExchangeServer(3600))
			}
			for _, at := range []string{"paused for the call", "after it"} {
				gateway.Upstream.Forget()
				sendSubject(t, gateway, harness.HostName(name), test.headers)
				checkSubjectHeaders(t, gateway, at, test.want, test.passes)
			}
		})
	}
}

// sendSubject sends a request over HTTP/2 whose trailers have the names of the headers once more.
func sendSubject(t *testing.T, gateway *harness.Gateway, host string, headers []string) {
	t.Helper()
	request := gateway.Request(t, http.MethodPost, "/", "", append(slices.Clone(headers), "Host: "+host)...)
	request.Body, request.ContentLength = io.NopCloser(strings.NewReader("body")), -1
	request.Trailer = http.Header{}
	for _, name := range subjectTrailers {
		request.Trailer.Set(name, "as a trailer")
	}
	harness.SendParallel(gateway.HTTP2Client(), request).CheckStatus(t, 200)
}

func checkSubjectHeaders(t *testing.T, gateway *harness.Gateway, at string, want, passes []string) {
	t.Helper()
	received := gateway.Upstream.Last(t)
	var got []string
	for _, name := range subjectHeaders {
		for _, value := range received.Header.Values(name) {
			got = append(got, name+": "+value)
		}
	}
	slices.Sort(got)
	if want = slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
		t.Errorf("%s: the upstream received %q, want %q", at, got, want)
	}
	var trailers []string
	for _, name := range subjectTrailers {
		if len(received.Trailer.Values(name)) > 0 {
			trailers = append(trailers, name)
		}
	}
	if !slices.Equal(trailers, passes) {
		t.Errorf("%s: the upstream received the trailers %q, want %q", at, trailers, passes)
	}
}
