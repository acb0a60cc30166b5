package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/cache"
	"token-fetch/internal/tokenservice"
)

func withCache(more string) string { return extended(`"cache": {` + more + `}`) }

const exchangeConfig = `{"serviceName": "idp.dns", "requestPath": "/token", "oauth2": {"clientId": "id", "clientSecret": "s3cr3t",
	"grantType": "urn:ietf:params:oauth:grant-type:token-exchange"}}`

func body(status int, text string) *tokenservice.Answer {
	return &tokenservice.Answer{Status: status, Body: []byte(text)}
}

// What each kind of failure means for the cache: whether a stale token serves, whom the wait holds back; and for the
// client: who is to blame.
func TestFailuresForTheCache(t *testing.T) {
	retryAfter := func(a *tokenservice.Answer) *tokenservice.Answer {
		a.Headers = [][2]string{{"retry-after", "7"}}
		return a
	}
	const grant = `{"error": "invalid_grant", "error_description": "s3cr3t"}`
	tests := map[string]struct {
		answer      *tokenservice.Answer
		outcome     outcome
		unavailable bool
		retryAfter  time.Duration
	}{
		"unavailable":             {&tokenservice.Answer{}, callFailed, true, 0},
		"unavailable for a while": {retryAfter(body(429, "")), callFailed, true, 7 * time.Second},
		"the subject is refused":  {body(400, grant), subjectRefused, false, 0},
		"refused":                 {body(401, `{"error": "invalid_client"}`), callFailed, false, 0},
		"no token":                {body(200, "{}"), noToken, false, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, h := newTestClient(t, exchangeConfig)
			result := fetchOnce(t, c, h, callerWith(t, c, "abc"), test.answer)
			if result.Failure == nil {
				t.Fatalf("got %+v, expected a failure", result.Grant)
			}
			got := outcomeOf(result.Failure.Err)
			if got != test.outcome || result.Failure.Unavailable != test.unavailable || result.Failure.RetryAfter != test.retryAfter {
				t.Errorf("got %s, unavailable: %v, Retry-After %s; expected %s, %v, %s",
					got, result.Failure.Unavailable, result.Failure.RetryAfter, test.outcome, test.unavailable, test.retryAfter)
			}
			if isFailure := c.metrics.callFailures == 1; isFailure == (test.outcome == subjectRefused) {
				t.Errorf("call_failures: got %d", c.metrics.callFailures)
			}
			if h.logContains("s3cr3t") {
				t.Errorf("log: got %q", h.lines)
			}
		})
	}
}

func TestDispatchThatFailsAtOnce(t *testing.T) {
	c, h := newTestClient(t, withCache(""))
	h.refuses = dispatchError(errors.New("bad argument"), true, "outbound|80||token.dns")
	result := fetchOnce(t, c, h, nil, nil)
	if got := outcomeOf(result.Failure.Err); got != noCluster || !result.Failure.Unavailable || c.metrics.calls != 0 {
		t.Errorf("got %s and %d calls, expected %s and none", got, c.metrics.calls, noCluster)
	}
}

func TestPanicInAnAnswerLeavesNobodyWaiting(t *testing.T) {
	c, h := newTestClient(t, withCache(""))
	var got []cache.Result
	c.Fetch(nil, func(r cache.Result) { got = append(got, r) })
	c.metrics = nil // so that reading the answer panics
	h.calls[0].done.answered(&tokenservice.Answer{Status: 200, Headers: [][2]string{{"x-token", "s3cr3t"}}})
	if len(got) != 1 || got[0].Failure == nil || outcomeOf(got[0].Failure.Err) != internalError {
		t.Fatalf("got %+v, expected one internal error", got)
	}
	if !h.logContains("panicked") || h.logContains("s3cr3t") {
		t.Errorf("log: got %q", h.lines)
	}
}

func TestNoStoreIsLoggedOnce(t *testing.T) {
	c, h := newTestClient(t, withCache(""))
	a := func() *tokenservice.Answer {
		return &tokenservice.Answer{Status: 200, Headers: [][2]string{{"x-token", "t1"}, {"cache-control", "no-store"}}}
	}
	for range 3 {
		if r := fetchOnce(t, c, h, nil, a()); r.Failure != nil || r.Grant.Lifetime != 0 {
			t.Errorf("got %+v, expected a token without a lifetime", r)
		}
	}
	if n := strings.Count(strings.Join(h.lines, "\n"), "forbids by its Cache-Control"); n != 1 {
		t.Errorf("lines about it: got %d, expected 1: %q", n, h.lines)
	}
}

// An absolute end is counted from the clock as it is when the answer comes, in case that it was set.
func TestClockThatIsSetDuringTheCall(t *testing.T) {
	c, h := newTestClient(t, withCache(""))
	var got cache.Result
	end := h.wall.Add(time.Hour + time.Minute)
	c.Fetch(nil, func(r cache.Result) { got = r })
	h.pass(time.Second)
	h.wall = h.wall.Add(time.Hour)
	h.calls[0].done.answered(&tokenservice.Answer{Status: 200, Headers: [][2]string{{"x-token", unsignedJWT(fmt.Sprintf(`{"exp": %d}`, end.Unix()))}}})
	if got.Grant.Lifetime != time.Minute {
		t.Errorf("lifetime: got %s, expected what the new clock leaves of it, 1m0s from the call", got.Grant.Lifetime)
	}
}

func TestExchangedTokenDoesNotOutliveItsSubject(t *testing.T) {
	c, h := newTestClient(t, exchangeConfig)
	subject := unsignedJWT(fmt.Sprintf(`{"exp": %d}`, h.wall.Add(20*time.Second).Unix()))
	result := fetchOnce(t, c, h, callerWith(t, c, subject), body(200, `{"access_token": "t1", "token_type": "Bearer", "expires_in": 3600}`))
	if g := result.Grant; g.Lifetime != 80*time.Second || g.SubjectLifetime != 80*time.Second {
		t.Errorf("lifetimes: got %s and %s, expected the subject's 20s and the leeway of 1m0s", g.Lifetime, g.SubjectLifetime)
	}
}

func callerWith(t *testing.T, c *client, subject string) *tokenservice.Caller {
	t.Helper()
	values, err := c.part.service.AppendCaller(nil, [][2]string{{"authorization", "bearer " + subject}})
	if err != nil {
		t.Fatal(err)
	}
	return c.part.service.Caller(values)
}

func unsignedJWT(claims string) string {
	return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

// What a worker tells the others of a failure means the same to them.
func TestFailureOfAnotherWorker(t *testing.T) {
	for kind, want := range map[tokenservice.Kind]outcome{
		tokenservice.Unavailable: callFailed, tokenservice.Refused: callFailed, tokenservice.NoToken: noToken, tokenservice.SubjectRefused: subjectRefused,
	} {
		failed := cacheFailure(&tokenservice.Failure{Kind: kind, Reason: "answered"})
		if got := outcomeOf((&client{}).ErrorOf(failed.Code)); got != want || failed.Code == 0 {
			t.Errorf("kind %d, code %d: got %s, expected %s", kind, failed.Code, got, want)
		}
	}
}
