package tokenservice

import (
	"slices"
	"strings"
	"testing"
)

func TestCallErrors(t *testing.T) {
	const (
		wantName = `the service's FQDN with its type, without scheme and port, for example token.dns`
		wantPath = `path and query, with spaces, # and other special characters escaped`
		wantHost = `a host name, with its port if it needs one`
	)
	checkErrors(t, map[string]errorCase{
		"no service":          {`{"tokenHeader": "X-Token", "requestPath": "/"}`, `missing serviceName in config`},
		"empty service":       {withKey(`"serviceName": ""`), `missing serviceName in config`},
		"service with scheme": {withKey(`"serviceName": "http://token.dns"`), `invalid serviceName in config: "http://token.dns" (want ` + wantName + `)`},
		"service with port":   {withKey(`"serviceName": "token.dns:80"`), `invalid serviceName in config: "token.dns:80" (want ` + wantName + `)`},
		"a whole cluster":     {withKey(`"serviceName": "outbound|80||token.dns"`), `invalid serviceName in config: "outbound|80||token.dns" (want ` + wantName + `)`},
		"service with space":  {withKey(`"serviceName": "token dns"`), `invalid serviceName in config: "token dns" (want ` + wantName + `)`},
		"port too large":      {withKey(`"servicePort": 65536`), `invalid servicePort in config: 65536 (want 1 to 65535)`},
		"path with space":     {withKey(`"requestPath": "/a b?key=s3cr3t"`), `invalid requestPath in config: "/a b?…" (want ` + wantPath + `)`},
		"path with fragment":  {withKey(`"requestPath": "/a#b"`), `invalid requestPath in config: "/a#b" (want ` + wantPath + `)`},
		"path is a URL":       {withKey(`"requestPath": "https://token.dns/"`), `invalid requestPath in config: "https://token.dns/" (want path and query only; the host belongs in serviceHost)`},
		"host with path":      {extended(`"serviceHost": "token.example.com/"`), `invalid serviceHost in config: "token.example.com/" (want ` + wantHost + `)`},
		"method":              {extended(`"requestMethod": "FETCH"`), `invalid requestMethod in config: "FETCH" (want GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS)`},
		"header value":        {extended(`"requestHeaders": {"X-Key": "s3cr3t\n"}`), `invalid requestHeaders.X-Key in config (want ` + headerValue + `)`},
		"host header":         {extended(`"requestHeaders": {"Host": "a"}`), `invalid requestHeaders.Host in config (want it in serviceHost)`},
		"pseudo-header":       {extended(`"requestHeaders": {":path": "/"}`), `invalid requestHeaders.:path in config (want ` + settable + `)`},
		"unset variable":      {extended(`"requestBody": "${NOT_SET}"`), `invalid requestBody in config: environment variable NOT_SET is not set in the VM`},
		"open variable":       {extended(`"requestBody": "s3cr3t ${NAME"`), "invalid requestBody in config: ${ without } (want ${NAME}, or $${ for a literal ${)"},
		"bad variable name":   {extended(`"requestBody": "${a-b}"`), "invalid requestBody in config: a variable's name in ${…} may have letters, digits and _ only (write $${ for a literal ${)"},
	})
}

func TestCall(t *testing.T) {
	const get, post = ":method=GET :path=/token :authority=token.dns", ":method=POST :path=/token :authority=token.dns"
	tests := map[string]struct{ config, headers, body string }{
		"the sample":                    {sampleJSON, get, ""},
		"path without slash":            {withKey(`"requestPath": "t%20k?x=%2F"`), ":method=GET :path=/t%20k?x=%2F :authority=token.dns", ""},
		"host":                          {extended(`"serviceHost": "token.example.com:8443"`), ":method=GET :path=/token :authority=token.example.com:8443", ""},
		"a body makes it a POST":        {extended(`"requestBody": "a"`), post, "a"},
		"but not where a method is set": {extended(`"requestBody": "a", "requestMethod": "GET"`), get, "a"},
		"POST without a body":           {extended(`"requestMethod": "POST"`), post + " content-length=0", ""},
		"DELETE without a body":         {extended(`"requestMethod": "DELETE"`), ":method=DELETE :path=/token :authority=token.dns", ""},
		"headers in lower case":         {extended(`"requestHeaders": {"X-B": "${SECRET}", "X-A": ""}`), get + " x-b=s3cr3t x-a=", ""},
		"retries":                       {extended(`"retries": 3`), get + " x-envoy-retry-on=connect-failure,reset,5xx x-envoy-max-retries=3", ""},
		"variables":                     {extended(`"requestBody": "${NAME} $${NAME} $NAME"`), post, "value ${NAME} $NAME"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			call := mustCall(t, mustRead(t, test.config), nil)
			if got := written(call.Headers); got != test.headers {
				t.Errorf("headers:\ngot      %s\nexpected %s", got, test.headers)
			}
			if string(call.Body) != test.body || (call.Body == nil) != (test.body == "") {
				t.Errorf("body: got %q, expected %q", call.Body, test.body)
			}
		})
	}
}

// written leaves out the headers that each call has which does not say otherwise; TestDefaultHeaders has those.
func written(headers [][2]string) string {
	var list []string
	for _, header := range headers {
		if slices.Contains(defaultHeaders(), header) {
			continue
		}
		list = append(list, header[0]+"="+header[1])
	}
	return strings.Join(list, " ")
}

// A variable's value, here a"b&c%d, is data wherever it stands.
func TestVariablesInTheirPlaces(t *testing.T) {
	headers := func(contentType string) string { return `, "requestHeaders": {"content-Type": "` + contentType + `"}` }
	for name, test := range map[string]struct{ config, path, body string }{
		"query":            {withKey(`"requestPath": "/t%20k?a=${ODD}"`), "/t%20k?a=a%22b%26c%25d", ""},
		"path":             {withKey(`"requestPath": "${BASE}/${ODD}"`), "/base/v1/a%22b&c%25d", ""},
		"JSON by itself":   {extended(`"requestBody": "{\"a\": \"${ODD}\", \"b\": ${NUMBER}}"`), "/token", `{"a": "a\"b&c%d", "b": 5}`},
		"JSON by its type": {extended(`"requestBody": "{\"a\": \"${ODD}\","` + headers("application/json; charset=utf-8")), "/token", `{"a": "a\"b&c%d",`},
		"form":             {extended(`"requestBody": "a=${ODD}&b=${NAME}"` + headers("application/x-www-form-urlencoded")), "/token", "a=a%22b%26c%25d&b=value"},
		"form, raw":        {extended(`"requestBody": "a=${ODD:raw}"` + headers("application/x-www-form-urlencoded")), "/token", `a=a"b&c%d`},
		"XML":              {extended(`"requestBody": "<a>${ODD}</a>"` + headers("text/xml")), "/token", "<a>a&#34;b&amp;c%d</a>"},
		"text":             {extended(`"requestBody": "a=${ODD}"` + headers("text/plain")), "/token", `a=a"b&c%d`},
	} {
		call := mustCall(t, mustRead(t, test.config), nil)
		if path := headerOf(call.Headers, ":path"); path != test.path || string(call.Body) != test.body {
			t.Errorf("%s:\ngot      %s %s\nexpected %s %s", name, path, call.Body, test.path, test.body)
		}
	}
	service := mustRead(t, oauth2Config(`"clientId": "id", "clientSecret": "${ODD}", "authStyle": "body", "params": {"p": "x${ODD}"}`, `, "requestHeaders": {"X-Key": "k ${ODD}"}`))
	call := mustCall(t, service, nil)
	if got, want := string(call.Body), "client_id=id&client_secret=a%22b%26c%25d&grant_type=client_credentials&p=xa%22b%26c%25d"; got != want {
		t.Errorf("form:\ngot      %s\nexpected %s", got, want)
	}
	if got, want := headerOf(call.Headers, "x-key"), `k a"b&c%d`; got != want {
		t.Errorf("header: got %q, expected %q", got, want)
	}
	checkErrors(t, map[string]errorCase{
		"unknown way":     {extended(`"requestBody": "${ODD:json}"`), "invalid requestBody in config: a variable's name in ${…} may have letters, digits and _ only (write $${ for a literal ${)"},
		"unset, in a way": {extended(`"requestBody": "${NOT_SET:raw}"`), `invalid requestBody in config: environment variable NOT_SET is not set in the VM`},
	})
}

func TestDefaultHeaders(t *testing.T) {
	const agent, coding = "user-agent=token-fetch/development", "accept-encoding=identity"
	for config, want := range map[string]string{
		sampleJSON: agent + " " + coding,
		oauth2Config(`"clientId": "id", "clientSecret": "s"`, ""):                       agent + " " + coding,
		extended(`"requestHeaders": {"User-Agent": "mine/1"}`):                          "user-agent=mine/1 " + coding,
		extended(`"requestHeaders": {"accept-encoding": "base64", "user-agent": ""}`):   "accept-encoding=base64 user-agent=",
		extended(`"forwardHeaders": ["User-Agent"]`):                                    coding + " " + agent,
		extended(`"forwardHeaders": ["Accept-Encoding", "X-Brought"]`):                  agent + " " + coding,
		extended(`"forwardHeaders": ["X-Agent", "user-agent", "accept-encoding"]`):      agent + " " + coding,
		extended(`"forwardHeaders": ["x-user"], "requestHeaders": {"User-Agent": "a"}`): "user-agent=a " + coding,
	} {
		service := mustRead(t, config)
		var caller *Caller
		if service.DependsOnCaller() {
			caller = callerOf(t, service, nil)
		}
		var got []string
		for _, header := range mustCall(t, service, caller).Headers {
			if header[0] == "user-agent" || header[0] == "accept-encoding" {
				got = append(got, header[0]+"="+header[1])
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s:\ngot      %s\nexpected %s", config, got, want)
		}
	}
	service := mustRead(t, extended(`"forwardHeaders": ["User-Agent"]`))
	call := mustCall(t, service, callerOf(t, service, [][2]string{{"user-agent", "curl/8"}}))
	if got := headerOf(call.Headers, "user-agent"); got != "curl/8" {
		t.Errorf("forwarded: got %q, expected the client's", got)
	}
}

// Calls of several callers are under way at once, and share what the configuration gives.
func TestCallsOfCallersAreIndependent(t *testing.T) {
	service := mustRead(t, oauth2Config(exchange, `, "forwardHeaders": ["X-User"], "retries": 1`))
	service.call.Headers = slices.Grow(service.call.Headers, 1) // room in which both would write
	own := slices.Clone(service.call.Headers)
	var calls []Call
	for _, user := range []string{"a", "b"} {
		c := callerOf(t, service, [][2]string{{"x-user", user}, {"authorization", "Bearer of-" + user}})
		calls = append(calls, mustCall(t, service, c))
	}
	for i, user := range []string{"a", "b"} {
		if got, want := written(calls[i].Headers), written(own)+" x-user="+user; got != want {
			t.Errorf("headers of %s:\ngot      %s\nexpected %s", user, got, want)
		}
		if !strings.HasSuffix(string(calls[i].Body), "&subject_token=of-"+user) {
			t.Errorf("body of %s: got %q", user, calls[i].Body)
		}
	}
	if !slices.Equal(service.call.Headers, own) {
		t.Errorf("the service's own call has changed: %v", service.call.Headers)
	}
}
