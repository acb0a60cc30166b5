package main

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/token"
	"token-fetch/internal/tokenservice"
)

func withCache(more string) string { return extended(`"cache": {` + more + `}`) }

const exchangeConfig = `{"serviceName": "idp.dns", "requestPath": "/token", "oauth2": {"clientId": "id", "clientSecret": "s3cr3t",
	"grantType": "urn:ietf:params:oauth:grant-type:token-exchange"}}`

func body(status int, text string) *tokenservice.Response {
	return &tokenservice.Response{Status: status, Body: []byte(text)}
}

func TestPanicInAnAnswerLeavesNobodyWaiting(t *testing.T) {
	c, h := newTestClient(t, withCache(""))
	var got []result
	c.fetch(nil, func(r result) { got = append(got, r) })
	c.log.metrics = nil // so that reading the answer panics
	h.calls[0].done.onResponse(&tokenservice.Response{Status: 200, Headers: [][2]string{{"x-token", "s3cr3t"}}})
	if len(got) != 1 || got[0].Err == nil || got[0].Err.Reason != token.Internal {
		t.Fatalf("got %+v, expected one internal error", got)
	}
	if !h.logContains("panicked") || h.logContains("s3cr3t") {
		t.Errorf("log: got %q", h.lines)
	}
}

func TestWarningsAreLoggedOnce(t *testing.T) {
	const refresh = `{"serviceName": "idp.dns", "requestPath": "/token", "oauth2": {"clientId": "id", "clientSecret": "s3cr3t", "grantType": "refresh_token",
		"params": {"refresh_token": "s3cr3t"}}}`
	for _, test := range []struct {
		config, body, want string
		lifetime           time.Duration
	}{
		{withCache(""), `{}`, "forbids caching its tokens", 0},
		{withCache(""), `{"expires_in": "soon"}`, "can't be read as a lifetime", 0},
		{refresh, `{"access_token": "t1", "refresh_token": "t2"}`, "answers with another refresh_token", 5 * time.Minute},
	} {
		c, h := newTestClient(t, test.config)
		for range 3 {
			a := body(200, test.body)
			a.Headers = [][2]string{{"x-token", "t1"}, {"cache-control", "no-store"}}
			if r := fetchOnce(t, c, h, nil, a); r.Err != nil || r.Token.Lifetime != test.lifetime {
				t.Errorf("got %+v, expected a token that lives %s", r, test.lifetime)
			}
		}
		if n := strings.Count(strings.Join(h.lines, "\n"), test.want); n != 1 {
			t.Errorf("lines about it: got %d, expected 1: %q", n, h.lines)
		}
	}
}

// An absolute end is counted from the clock as it is when the answer comes, in case that it was set.
func TestClockThatIsSetDuringTheCall(t *testing.T) {
	c, h := newTestClient(t, withCache(""))
	var got result
	end := h.Date.Add(time.Hour + time.Minute)
	c.fetch(nil, func(r result) { got = r })
	h.Pass(time.Second)
	h.Date = h.Date.Add(time.Hour)
	h.calls[0].done.onResponse(&tokenservice.Response{Status: 200, Headers: [][2]string{{"x-token", unsignedJWT(fmt.Sprintf(`{"exp": %d}`, end.Unix()))}}})
	if got.Token.Lifetime != time.Minute {
		t.Errorf("lifetime: got %s, expected what the new clock leaves of it, 1m0s from the call", got.Token.Lifetime)
	}
}

func TestExchangedTokenDoesNotOutliveItsSubject(t *testing.T) {
	c, h := newTestClient(t, exchangeConfig)
	subject := unsignedJWT(fmt.Sprintf(`{"exp": %d}`, h.Date.Add(20*time.Second).Unix()))
	result := fetchOnce(t, c, h, callerWith(t, c, subject), body(200, `{"access_token": "t1", "token_type": "Bearer", "expires_in": 3600}`))
	if g := result.Token; g.Lifetime != 80*time.Second || g.SubjectLifetime != 80*time.Second {
		t.Errorf("lifetimes: got %s and %s, expected the subject's 20s and the leeway of 1m0s", g.Lifetime, g.SubjectLifetime)
	}
}

func callerWith(t *testing.T, c *client, subject string) *tokenservice.Caller {
	t.Helper()
	values, err := c.service.AppendCaller(nil, [][2]string{{"authorization", "bearer " + subject}})
	if err != nil {
		t.Fatal(err)
	}
	return c.service.Caller(values)
}

func unsignedJWT(claims string) string {
	return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

// A missing callback leaves no request waiting, and changes nothing if it arrives late.
func TestCallWhoseCallbackNeverComes(t *testing.T) {
	c, h := newTestClient(t, withCache(""))
	var hanging, quick []result
	c.fetch(nil, func(r result) { hanging = append(hanging, r) })
	h.Pass(time.Millisecond)
	c.fetch(nil, func(r result) { quick = append(quick, r) })
	h.calls[1].done.onResponse(&tokenservice.Response{Status: 200, Headers: [][2]string{{"x-token", "t1"}}})
	h.Pass(c.cluster.timeout + hostGrace - 2*time.Millisecond)
	c.tick()
	if len(hanging) != 0 || len(quick) != 1 || len(c.inFlight) != 1 {
		t.Fatalf("before its time: got %d and %d results, %d calls open; expected the second one's, and the first call", len(hanging), len(quick), len(c.inFlight))
	}
	h.Pass(time.Millisecond)
	c.tick()
	if len(hanging) != 1 || hanging[0].Err == nil || hanging[0].Err.Reason != token.NoAnswer {
		t.Errorf("at its time: got %+v, expected that there was no answer", hanging)
	}
	h.calls[0].done.onResponse(&tokenservice.Response{Status: 200, Headers: [][2]string{{"x-token", "late"}}})
	if len(hanging) != 1 || len(c.inFlight) != 0 {
		t.Errorf("after it: got %d results and %d calls open, expected one and none", len(hanging), len(c.inFlight))
	}
}
