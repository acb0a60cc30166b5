package tokenservice

import (
	"testing"
	"time"

	"token-fetch/internal/token"
)

const (
	sessionCookie  = `"tokenIn": "cookie", "tokenCookie": "SESSION", "cache": {}`
	sessionCookies = `"tokenIn": "cookie", "tokenCookie": ["SESSION", "csrf"], "cache": {}`
)

// upstreamCookies is a configuration whose token goes upstream as cookies.
func upstreamCookies(more string) string {
	return `{"serviceName": "token.dns", "requestPath": "/token", "tokenHeader": "Cookie", ` + more + "}"
}

func TestTokenInCookie(t *testing.T) {
	date := now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	in := func(after time.Duration, layout string) string { return now.UTC().Add(after).Format(layout) }
	const dashes = "Mon, 02-Jan-2006 15:04:05 GMT"
	for name, test := range map[string]struct {
		config   string
		lines    []string
		want     string // empty: there is no token
		lifetime time.Duration
	}{
		"attributes":         {extended(sessionCookie), []string{"SESSION=abc; Path=/; Domain=x.example; Secure; HttpOnly; SameSite=Lax; Priority=High"}, "abc", 300 * time.Second},
		"Max-Age":            {extended(sessionCookie), []string{"SESSION=abc; Max-Age=60"}, "abc", time.Minute},
		"Expires":            {extended(sessionCookie), []string{"SESSION=abc; Expires=" + in(40*time.Second, "Mon, 02 Jan 2006 15:04:05 GMT")}, "abc", 40 * time.Second},
		"both":               {extended(sessionCookie), []string{"SESSION=abc; Max-Age=60; Expires=" + in(40*time.Second, dashes)}, "abc", time.Minute},
		"both, turned":       {extended(sessionCookie), []string{"SESSION=abc; Expires=" + in(-time.Hour, dashes) + "; Max-Age=60"}, "abc", time.Minute},
		"no number":          {extended(sessionCookie), []string{"SESSION=abc; Max-Age=soon; Expires=soon"}, "abc", 300 * time.Second},
		"equals signs":       {extended(sessionCookie), []string{"SESSION=a=b==; Path=/"}, "a=b==", 300 * time.Second},
		"quotes":             {extended(sessionCookie), []string{`SESSION="a b"; Path=/`}, "a b", 300 * time.Second},
		"among others":       {extended(sessionCookie), []string{"a=1; Max-Age=1", "SESSION=abc", "SESSIONID=2"}, "abc", 300 * time.Second},
		"the last counts":    {extended(sessionCookie), []string{"SESSION=; Max-Age=0", "SESSION=old", "SESSION=abc"}, "abc", 300 * time.Second},
		"deleted":            {extended(sessionCookie), []string{"SESSION=abc", "SESSION=deleted; Max-Age=0"}, "", 0},
		"deleted by Expires": {extended(sessionCookie), []string{"SESSION=deleteMe; Expires=Thu, 01-Jan-1970 00:00:00 GMT"}, "", 0},
		"empty":              {extended(sessionCookie), []string{"SESSION=; Path=/"}, "", 0},
		"another case":       {extended(sessionCookie), []string{"session=abc"}, "", 0},
		"no pair":            {extended(sessionCookie), []string{"SESSION; Path=/", "; SESSION=abc"}, "", 0},
		"control characters": {extended(sessionCookie), []string{"SESSION=a\x01b"}, "", 0},
		"before max-age":     {extended(sessionCookie), []string{"SESSION=abc; Max-Age=60", "cache-control: max-age=5"}, "abc", time.Minute},
		"as a cookie":        {upstreamCookies(sessionCookie), []string{"SESSION=abc; Path=/; HttpOnly"}, "SESSION=abc", 300 * time.Second},
		"two cookies":        {upstreamCookies(sessionCookies), []string{"csrf=1; Max-Age=40", "a=b", "SESSION=abc; Max-Age=60"}, "SESSION=abc; csrf=1", 40 * time.Second},
		"the other of two":   {upstreamCookies(sessionCookies), []string{"csrf=1"}, "", 0},
		"quotes are kept":    {upstreamCookies(sessionCookie), []string{`SESSION="abc"`}, `SESSION="abc"`, 300 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			a := &Response{Status: 200, Headers: [][2]string{{"date", date}}}
			for _, line := range test.lines {
				header := [2]string{"set-cookie", line}
				if name == "before max-age" && line[0] == 'c' {
					header = [2]string{"cache-control", "max-age=5"}
				}
				a.Headers = append(a.Headers, header)
			}
			grant, failed := mustRead(t, test.config).Grant(a, nil, now)
			if test.want == "" {
				if reasonIn(failed) != token.NoToken {
					t.Errorf("got %+v, expected no token", grant)
				}
				return
			}
			if failed != nil || grant.Values[0] != test.want || grant.Lifetime != test.lifetime {
				t.Errorf("got %q for %s (%v), expected %q for %s", grant.Values, grant.Lifetime, failed, test.want, test.lifetime)
			}
		})
	}
}

// A cookie's Expires is meant by the clock of whoever sets it.
func TestCookieOfAnotherClock(t *testing.T) {
	service := mustRead(t, extended(sessionCookie))
	at := now.Add(-400 * time.Second).UTC()
	a := &Response{Status: 200, Headers: [][2]string{{"date", at.Format(time.RFC1123)}, {"set-cookie", "SESSION=abc; Expires=" + at.Add(time.Minute).Format(time.RFC1123)}}}
	for i, header := range a.Headers {
		a.Headers[i][1] = header[1][:len(header[1])-3] + "GMT"
	}
	grant, failed := service.Grant(a, nil, now)
	if failed != nil || grant.Lifetime != 59*time.Second {
		t.Errorf("got %s (%v), expected what the answer's Date leaves of it, 59s", grant.Lifetime, failed)
	}
}

// No cookie of the client's that a server could take for the token's goes upstream.
func TestCookieHeader(t *testing.T) {
	service := mustRead(t, upstreamCookies(sessionCookies))
	const own = "SESSION=abc; csrf=1"
	for name, test := range map[string]struct {
		client     []string
		with, none string
	}{
		"no others":          {nil, own, ""},
		"others":             {[]string{"a=1; b=2"}, own + "; a=1; b=2", "a=1; b=2"},
		"its own":            {[]string{"a=1; SESSION=evil; csrf=evil; b=2"}, own + "; a=1; b=2", "a=1; b=2"},
		"another case":       {[]string{"session=evil;Csrf=evil"}, own, ""},
		"no value":           {[]string{"SESSION; a"}, own + "; a", "a"},
		"in quotes":          {[]string{`a="1; SESSION=evil; b=2"`}, own + `; a="1; b=2"`, `a="1; b=2"`},
		"quote left open":    {[]string{`a="1`}, own + `; a="1`, `a="1`},
		"after a blank":      {[]string{"a=1 SESSION=evil; b=2", "c=\"1\"\tCSRF = evil"}, own + "; b=2", "b=2"},
		"after a comma":      {[]string{"a=1,session=evil; b=1,2"}, own + "; b=1,2", "b=1,2"},
		"names that are not": {[]string{"XSESSION=1; SESSION2=2"}, own + "; XSESSION=1; SESSION2=2", "XSESSION=1; SESSION2=2"},
	} {
		if got := service.CookieHeader(test.client, own); got != test.with {
			t.Errorf("%s: got %q, expected %q", name, got, test.with)
		}
		if got := service.CookieHeader(test.client, ""); got != test.none {
			t.Errorf("%s, without a token: got %q, expected %q", name, got, test.none)
		}
	}
	for client, want := range map[string]bool{"": false, "a=1": false, "SESSION=": false, "a=1; SESSION=x": true, "csrf=1": false} {
		if got := service.HasTokenCookie([]string{client}); got != want {
			t.Errorf("%q brings a token: got %v, expected %v", client, got, want)
		}
	}
}
