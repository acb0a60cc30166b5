package requests_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// trailerCases are requests whose client sends the protected names, those of upstreamHeaders too, as headers and as trailers.
var trailerCases = map[string]struct {
	config  map[string]any
	headers []string         // of the request, as "Name: value"
	answer  http.HandlerFunc // of the token service
	token   string           // that the upstream must receive as a header
	passes  []string         // the trailers that must reach the upstream; X-Other always does
}{
	"uncached":            {config: nil, answer: trailerToken, token: "token-1"},
	"failed, allowed":     {config: map[string]any{"failure": map[string]any{"mode": "allow"}}, answer: harness.Status(500)},
	"without a token":     {config: nil, answer: harness.Status(200)},
	"cached":              {config: map[string]any{"cache": map[string]any{}}, answer: trailerToken, token: "token-1"},
	"own token":           {config: map[string]any{"overwrite": false}, headers: []string{"X-Token: own"}, answer: trailerToken, token: "own", passes: []string{"X-Token"}},
	"no own token":        {config: map[string]any{"overwrite": false}, answer: trailerToken, token: "token-1"},
	"switched off":        {config: map[string]any{"enabled": false}, headers: []string{"X-Token: own"}, answer: trailerToken, token: "own", passes: []string{"X-Token", "X-User", "X-Role"}},
	"token in upper case": {config: map[string]any{"tokenHeader": "X-TOKEN"}, answer: trailerToken, token: "token-1"},
}

// protectedTrailers are the names that trailerConfig protects.
var protectedTrailers = []string{"X-Token", "X-User", "X-Role"}

func trailerConfig(more map[string]any) map[string]any {
	return harness.PlainConfig(harness.Merge(map[string]any{
		"upstreamHeaders": map[string]any{"X-User": "header:X-User", "x-role": "body:role"},
	}, more))
}

func trailerToken(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("X-Token", "token-1")
	w.Header().Set("X-User", "user-1")
	_, _ = w.Write([]byte(`{"role":"role-1"}`))
}

func TestTrailers(t *testing.T) {
	t.Parallel()
	configs := map[string]map[string]any{"paused": trailerConfig(map[string]any{"requestPath": "/paused", "cache": map[string]any{}})}
	for name, test := range trailerCases {
		configs[harness.HostName(name)] = trailerConfig(test.config)
	}
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(configs), HTTP2Upstream: true})
	bodies := map[string]string{"no body": "", "a body": "abc", "a long body": strings.Repeat("abcd", 64<<10)}
	for name, test := range trailerCases {
		for length, body := range bodies {
			t.Run(name+"/"+length, func(t *testing.T) {
				gateway.Token.Handle(test.answer)
				checkTrailers(t, gateway, sendTrailers(t, gateway, harness.HostName(name), body, test.headers...), test.token, body, test.passes)
			})
		}
	}
	t.Run("paused", func(t *testing.T) {
		release := make(chan struct{})
		gateway.Token.Handle(harness.Hold(release, trailerToken))
		gateway.Token.Forget()
		answers := sendTrailers(t, gateway, "paused", "abc")
		gateway.Token.WaitCalls(t, 1)
		close(release)
		checkTrailers(t, gateway, answers, "token-1", "abc", nil)
	})
}

// sendTrailers sends a request over HTTP/2 with each protected name as a trailer, one of
// them twice, and one more; the names of upstreamHeaders are among its headers as well.
func sendTrailers(t *testing.T, gateway *harness.Gateway, host, body string, headers ...string) *harness.Parallel {
	t.Helper()
	request := gateway.Request(t, http.MethodPost, "/", "", append(headers, "Host: "+host)...)
	// Of unknown length: without a body net/http would send no trailers.
	request.Body, request.ContentLength = io.NopCloser(strings.NewReader(body)), -1
	request.Header["X-User"], request.Header["X-Role"] = []string{"forged"}, []string{"forged", "forged"}
	request.Trailer = http.Header{"X-Token": {"forged-1", "forged-2"}, "X-User": {"forged"}, "X-Role": {"forged"}, "X-Other": {"passes"}}
	return harness.SendParallel(gateway.HTTP2Client(), request)
}

func checkTrailers(t *testing.T, gateway *harness.Gateway, answer *harness.Parallel, token, body string, passes []string) {
	t.Helper()
	answer.CheckStatus(t, 200)
	received := gateway.Upstream.Last(t)
	if got := strings.Join(received.Header.Values("X-Token"), ","); got != token {
		t.Errorf("the upstream received the token %q, want %q", got, token)
	}
	// What the answer brings besides the token comes with it or not at all, unless the plugin leaves the request alone.
	user, role := map[string]string{"token-1": "user-1"}[token], map[string]string{"token-1": "role-1"}[token]
	if slices.Contains(passes, "X-User") {
		user, role = "forged", "forged,forged"
	}
	if got := []string{strings.Join(received.Header.Values("X-User"), ","), strings.Join(received.Header.Values("X-Role"), ",")}; !slices.Equal(got, []string{user, role}) {
		t.Errorf("the upstream received X-User and X-Role %q, want %q", got, []string{user, role})
	}
	if received.BodyLength != int64(len(body)) {
		t.Errorf("the upstream received a body of %d bytes, want %d", received.BodyLength, len(body))
	}
	if got := received.Trailer.Values("X-Other"); !slices.Equal(got, []string{"passes"}) {
		t.Errorf("the upstream received the trailer X-Other %q, want it as it was sent", got)
	}
	for _, name := range protectedTrailers {
		got := received.Trailer.Values(name)
		if wanted := slices.Contains(passes, name); (len(got) > 0) != wanted {
			t.Errorf("the upstream received the trailer %s %q, want it: %t", name, got, wanted)
		}
	}
}
