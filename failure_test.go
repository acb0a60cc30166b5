package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/token"
	"token-fetch/internal/tokenservice"
)

// The contract's table, and what the plugin adds to it.
func TestFailurePolicy(t *testing.T) {
	outcomes := []token.Outcome{token.OutcomeNoToken, token.OutcomeCallFailed, token.OutcomeNoCluster, token.OutcomeTooMany, token.OutcomeSubjectRefused, token.OutcomeInternalError}
	tests := map[string]struct {
		config string
		denies []bool
	}{
		"as the sample":    {sampleJSON, []bool{false, true, false, true, true, true}},
		"deny":             {extended(`"failure": {"mode": "deny"}`), []bool{true, true, true, true, true, true}},
		"allow":            {extended(`"failure": {"mode": "allow"}`), []bool{false, false, false, false, true, true}},
		"cached":           {withCache(""), []bool{true, true, true, true, true, true}},
		"cached, allow":    {extended(`"cache": {}, "failure": {"mode": "allow"}`), []bool{false, false, false, false, true, true}},
		"failure, no mode": {extended(`"failure": {"status": 503}`), []bool{true, true, true, true, true, true}},
	}
	for name, test := range tests {
		policy := globalPart(t, test.config).failurePolicy()
		for i, o := range outcomes {
			if got := policy.denies(o); got != test.denies[i] {
				t.Errorf("%s, %s: got %v, expected %v", name, o, got, test.denies[i])
			}
		}
	}
}

func TestReasons(t *testing.T) {
	tests := map[string]struct {
		config string
		answer *tokenservice.Response
		want   token.Reason
	}{
		"nothing":        {withCache(""), &tokenservice.Response{}, token.NoAnswer},
		"503":            {withCache(""), body(503, ""), token.ServerError},
		"429":            {withCache(""), body(429, ""), token.RateLimited},
		"401":            {withCache(""), body(401, ""), token.OtherStatus},
		"204":            {withCache(""), body(204, ""), token.BadAnswer},
		"200, no token":  {withCache(""), body(200, ""), token.NoToken},
		"an OAuth error": {exchangeConfig, body(401, `{"error": "invalid_client"}`), token.OtherStatus},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, h := newTestClient(t, test.config)
			fetchOnce(t, c, h, callerOf(t, c), test.answer)
			want := metrics{calls: 1, callFailures: 1}
			want.failures[test.want] = 1
			checkCounted(t, c.log.metrics, &want)
		})
	}
	for name, test := range map[string]struct {
		isUnknown bool
		want      token.Reason
	}{"no cluster": {true, token.NoCluster}, "no host": {false, token.NotSent}} {
		t.Run(name, func(t *testing.T) {
			c, h := newTestClient(t, withCache(""))
			h.refuses = dispatchError(errors.New("no"), test.isUnknown, "a")
			fetchOnce(t, c, h, nil, nil)
			var want metrics
			want.failures[test.want] = 1
			checkCounted(t, c.log.metrics, &want)
		})
	}
	t.Run("the caller's own fault", func(t *testing.T) {
		c, h := newTestClient(t, exchangeConfig)
		result := fetchOnce(t, c, h, callerOf(t, c), body(400, `{"error": "invalid_grant", "error_description": "s3cr3t"}`))
		checkCounted(t, c.log.metrics, &metrics{calls: 1})
		if result.Err == nil || result.Err.Reason != token.SubjectRefused || h.logContains("s3cr3t") {
			t.Errorf("got %v and the log %q, expected the subject to be refused, and nothing of the answer", result.Err, h.lines)
		}
	})
}

// callerOf is some caller, nil where tokens do not depend on it.
func callerOf(t *testing.T, c *client) token.Caller {
	t.Helper()
	if !c.service.DependsOnCaller() {
		return nil
	}
	return callerWith(t, c, "abc")
}

func checkCounted(t *testing.T, got, want *metrics) {
	t.Helper()
	expected := want.counters()
	for i, c := range got.counters() {
		if *c.total != *expected[i].total {
			t.Errorf("%s: got %d, expected %d", c.name, *c.total, *expected[i].total)
		}
	}
}

// The headers of replies, and when a client may come again (RFC 9110 section 10.2.3).
func TestReplyHeaders(t *testing.T) {
	const plain = "content-type=text/plain; charset=utf-8"
	tests := map[string]struct {
		failure string
		wait    time.Duration
		want    string
	}{
		"nothing configured":          {`{}`, time.Minute, plain},
		"not known":                   {`{"status": 503}`, 0, plain},
		"over":                        {`{"status": 503}`, -time.Second, plain},
		"503":                         {`{"status": 503}`, 7 * time.Second, plain + " retry-after=7"},
		"429":                         {`{"status": 429}`, 7 * time.Second, plain + " retry-after=7"},
		"too long":                    {`{"status": 503}`, time.Hour, plain + " retry-after=300"},
		"rounded up":                  {`{"status": 503}`, 7*time.Second + 1, plain + " retry-after=8"},
		"at once":                     {`{"status": 503}`, 1, plain + " retry-after=1"},
		"another status":              {`{"status": 502}`, time.Minute, plain},
		"other headers":               {`{"status": 503, "headers": {"X-A": "${NAME}"}, "contentType": "a/b"}`, time.Second, "content-type=a/b x-a=value retry-after=1"},
		"the operator's own":          {`{"status": 503, "headers": {"Retry-After": "60"}}`, time.Second, plain + " retry-after=60"},
		"the operator's own is empty": {`{"status": 503, "headers": {"retry-after": ""}}`, time.Second, plain + " retry-after="},
	}
	for name, test := range tests {
		policy := globalPart(t, extended(`"failure": `+test.failure)).failurePolicy()
		for range 2 { // the first must not change the policy
			var got []string
			for _, header := range policy.replyHeaders(test.wait) {
				got = append(got, header[0]+"="+header[1])
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("%s: got %s, expected %s", name, got, test.want)
			}
		}
	}
}
