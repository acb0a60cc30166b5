package main

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/tokencache"
	"token-fetch/internal/tokenservice"
)

// environment stands for the VM's in tests.
func environment(name string) (string, bool) {
	value, ok := map[string]string{"NAME": "value", "SECRET": "s3cr3t", "EMPTY": "", "NEWLINE": "a\nb"}[name]
	return value, ok
}

const sampleJSON = `{"serviceName": "token.dns", "servicePort": 8080, "requestPath": "/token", "tokenHeader": "X-Token"}`

// extended is the sample's configuration with more keys.
func extended(more string) string {
	return strings.TrimSuffix(sampleJSON, "}") + ", " + more + "}"
}

func mustParse(t testing.TB, json string) *config {
	t.Helper()
	parsed, err := parseConfig([]byte(json), environment)
	if err != nil {
		t.Fatalf("parseConfig(%s): %v", json, err)
	}
	return parsed
}

func TestSampleConfiguration(t *testing.T) {
	s := mustParse(t, sampleJSON).global
	if got, want := clusterOf(s), "outbound|8080||token.dns"; got != want {
		t.Errorf("cluster: got %q, expected %q", got, want)
	}
	for name, want := range map[string]string{":method": "GET", ":path": "/token", ":authority": "token.dns"} {
		if got, _ := tokenservice.FirstHeader(s.service.Call(nil).Headers, name); got != want {
			t.Errorf("%s: got %q, expected %q", name, got, want)
		}
	}
	if len(s.service.Call(nil).Headers) != 3 || s.service.Call(nil).Body != nil {
		t.Errorf("the call has more than the sample's: %v %q", s.service.Call(nil).Headers, s.service.Call(nil).Body)
	}
	if s.service.Timeout != 500*time.Millisecond {
		t.Errorf("timeout: got %s, expected 500ms", s.service.Timeout)
	}
	if got := s.service.TokenHeader(); got != "X-Token" {
		t.Errorf("token header: got %q, expected X-Token", got)
	}
	if s.cache != nil || s.failure.mode != modeSample || !s.overwrite || !s.enabled {
		t.Errorf("got cache %v, mode %v, overwrite %v, enabled %v", s.cache, s.failure.mode, s.overwrite, s.enabled)
	}
}

// The texts are public: operators search for them.
func TestConfigurationErrors(t *testing.T) {
	tests := map[string]struct{ config, want string }{
		"empty":                    {``, `invalid config: it is empty (want a JSON object)`},
		"not JSON":                 {"{\"a\": 1,\n \"clientSecret\": \"s3cr3t\" oops}", `invalid config: not JSON at line 2, column 27`},
		"not an object":            {`["a"]`, `invalid config: not a JSON object`},
		"nothing":                  {`{}`, `missing tokenHeader in config`},
		"no path":                  {`{"tokenHeader": "X-Token"}`, `missing requestPath in config`},
		"no service":               {`{"tokenHeader": "X-Token", "requestPath": "/"}`, `missing serviceName in config`},
		"empty service":            {`{"tokenHeader": "X-Token", "requestPath": "/", "serviceName": ""}`, `missing serviceName in config`},
		"null service":             {`{"tokenHeader": "X-Token", "requestPath": "/", "serviceName": null}`, `missing serviceName in config`},
		"unknown key":              {`{"tokenHeadr": "X-Token"}`, `unknown key tokenHeadr in config (did you mean tokenHeader?)`},
		"unknown, nothing near":    {extended(`"zzzzzz": 1`), `unknown key zzzzzz in config`},
		"unknown in cache":         {extended(`"cache": {"tll": 3}`), `unknown key cache.tll in config (did you mean cache.ttl?)`},
		"unknown with underscore":  {extended(`"cache": {"_ttl": 3}`), `unknown key cache._ttl in config (did you mean cache.ttl?)`},
		"duplicate":                {extended(`"timeout": 3, "timeout": 4`), `duplicate key timeout in config`},
		"timeout too small":        {extended(`"timeout": 0`), `invalid timeout in config: 0 (want 1 to 60000)`},
		"timeout too large":        {extended(`"timeout": 60001`), `invalid timeout in config: 60001 (want 1 to 60000)`},
		"timeout in quotes":        {extended(`"timeout": "500"`), `invalid timeout in config: "500" (want 1 to 60000)`},
		"timeout with a fraction":  {extended(`"timeout": 1.5`), `invalid timeout in config: 1.5 (want 1 to 60000)`},
		"timeout as boolean":       {extended(`"timeout": true`), `invalid timeout in config: true (want 1 to 60000)`},
		"retries":                  {extended(`"retries": 6`), `invalid retries in config: 6 (want 0 to 5)`},
		"port too large":           {extended(`"retries": 1, "_x": 1, "overwrite": 1`), `invalid overwrite in config: 1 (want true or false)`},
		"enabled":                  {extended(`"enabled": "no"`), `invalid enabled in config: "no" (want true or false)`},
		"method":                   {extended(`"requestMethod": "FETCH"`), `invalid requestMethod in config: "FETCH" (want GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS)`},
		"header map":               {extended(`"requestHeaders": ["a"]`), `invalid requestHeaders in config (want an object of strings)`},
		"header value type":        {extended(`"requestHeaders": {"X-Key": 5}`), `invalid requestHeaders.X-Key in config (want a string)`},
		"header value":             {extended(`"requestHeaders": {"X-Key": "s3cr3t\n"}`), `invalid requestHeaders.X-Key in config (want ` + tokenservice.WantHeaderValue + `)`},
		"header value of variable": {extended(`"requestHeaders": {"X-Key": "${NEWLINE}"}`), `invalid requestHeaders.X-Key in config (want ` + tokenservice.WantHeaderValue + `)`},
		"host header":              {extended(`"requestHeaders": {"Host": "a"}`), `invalid requestHeaders.Host in config (want it in serviceHost)`},
		"length header":            {extended(`"requestHeaders": {"Content-Length": "5"}`), `invalid requestHeaders.Content-Length in config (want ` + tokenservice.WantSettableHeader + `)`},
		"forwarded pseudo-header":  {extended(`"forwardHeaders": [":path"]`), `invalid forwardHeaders in config: ":path" (want ` + tokenservice.WantSettableHeader + `)`},
		"forwarded type":           {extended(`"forwardHeaders": "cookie"`), `invalid forwardHeaders in config: "cookie" (want a list of strings)`},
		"forwarded element":        {extended(`"forwardHeaders": [1]`), `invalid forwardHeaders[0] in config: 1 (want a string)`},
		"upstream header":          {extended(`"upstreamHeaders": {"X-User": "user"}`), `invalid upstreamHeaders.X-User in config: "user" (want header:NAME or body:PATH)`},
		"upstream header is token": {extended(`"upstreamHeaders": {"x-token": "header:a"}`), `invalid upstreamHeaders.x-token in config: that is the tokenHeader`},
		"upstream pseudo-header":   {extended(`"upstreamHeaders": {":path": "header:a"}`), `invalid upstreamHeaders.:path in config (want ` + tokenservice.WantSettableHeader + `)`},
		"condition type":           {extended(`"successWhen": {"path": "a"}`), `invalid successWhen in config: an object (want a list of objects with header or path, and equals)`},
		"condition without equals": {extended(`"successWhen": [{"path": "a"}]`), `missing successWhen[0].equals in config`},
		"condition with both":      {extended(`"successWhen": [{"path": "a", "header": "b", "equals": "1"}]`), `invalid successWhen[0] in config (want one of header and path)`},
		"condition unknown key":    {extended(`"successWhen": [{"path": "a", "equal": "1"}]`), `unknown key successWhen[0].equal in config (did you mean successWhen[0].equals?)`},
		"failure mode":             {extended(`"failure": {"mode": "open"}`), `invalid failure.mode in config: "open" (want deny, allow)`},
		"failure status":           {extended(`"failure": {"status": 200}`), `invalid failure.status in config: 200 (want 400 to 599)`},
		"cache type":               {extended(`"cache": true`), `invalid cache in config: true (want an object)`},
		"cache status":             {extended(`"cache": {"invalidateOn": [99]}`), `invalid cache.invalidateOn in config: 99 (want a list of statuses, 100 to 599)`},
		"ttl":                      {extended(`"cache": {"ttl": 0}`), `invalid cache.ttl in config: 0 (want 1 to 315360000)`},
		"unset variable":           {extended(`"requestBody": "${NOT_SET}"`), `invalid requestBody in config: environment variable NOT_SET is not set in the VM`},
		"unset variable in map":    {extended(`"requestHeaders": {"X-Key": "${NOT_SET}"}`), `invalid requestHeaders.X-Key in config: environment variable NOT_SET is not set in the VM`},
		"open variable":            {extended(`"requestBody": "s3cr3t ${NAME"`), "invalid requestBody in config: ${ without } (want ${NAME}, or $${ for a literal ${)"},
		"bad variable name":        {extended(`"requestBody": "${a-b}"`), "invalid requestBody in config: a variable's name in ${…} has other characters than letters, digits and _ (write $${ for a literal ${)"},
		"service with scheme":      {`{"serviceName": "http://token.dns", "requestPath": "/", "tokenHeader": "X-Token"}`, `invalid serviceName in config: "http://token.dns" (want the service's FQDN with its type, without scheme and port, for example token.dns)`},
		"service with port":        {`{"serviceName": "token.dns:80", "requestPath": "/", "tokenHeader": "X-Token"}`, `invalid serviceName in config: "token.dns:80" (want the service's FQDN with its type, without scheme and port, for example token.dns)`},
		"port":                     {`{"serviceName": "token.dns", "servicePort": 65536, "requestPath": "/", "tokenHeader": "X-Token"}`, `invalid servicePort in config: 65536 (want 1 to 65535)`},
		"port as word":             {`{"serviceName": "token.dns", "servicePort": "http", "requestPath": "/", "tokenHeader": "X-Token"}`, `invalid servicePort in config: "http" (want 1 to 65535)`},
		"port as boolean":          {`{"serviceName": "token.dns", "servicePort": true, "requestPath": "/", "tokenHeader": "X-Token"}`, `invalid servicePort in config: true (want 1 to 65535)`},
		"path with space":          {`{"serviceName": "token.dns", "requestPath": "/a b?key=s3cr3t", "tokenHeader": "X-Token"}`, `invalid requestPath in config: "/a b?…" (want path and query, with spaces, # and other special characters escaped)`},
		"path is a URL":            {`{"serviceName": "token.dns", "requestPath": "https://token.dns/", "tokenHeader": "X-Token"}`, `invalid requestPath in config: "https://token.dns/" (want path and query only; the host goes to serviceHost)`},
		"token header":             {`{"serviceName": "token.dns", "requestPath": "/", "tokenHeader": "X Token"}`, `invalid tokenHeader in config: "X Token" (want ` + tokenservice.WantSettableHeader + `)`},
		"token header is host":     {`{"serviceName": "token.dns", "requestPath": "/", "tokenHeader": "Host"}`, `invalid tokenHeader in config: "Host" (want ` + tokenservice.WantSettableHeader + `)`},
		"token header is number":   {`{"serviceName": "token.dns", "requestPath": "/", "tokenHeader": 5}`, `invalid tokenHeader in config: 5 (want a string)`},
		"rules type":               {extended(`"_rules_": {}`), `invalid _rules_ in config (want a list of rules)`},
		"no rules at all":          {`{"_rules_": []}`, `invalid _rules_ in config: it has no rules and there is no global part (want at least one of them)`},
		"rule without condition":   {extended(`"_rules_": [{"requestPath": "/b"}]`), `_rules_[0]: missing condition in config (want _match_route_, _match_domain_, _match_service_ or _match_route_prefix_)`},
		"error in a rule":          {extended(`"_rules_": [{"_match_route_": ["a"]}, {"_match_route_": ["b"], "timeout": 0}]`), `_rules_[1]: invalid timeout in config: 0 (want 1 to 60000)`},
		"error beside good rules":  {`{"timeout": 5, "_rules_": [{"_match_route_": ["a"], "serviceName": "token.dns", "requestPath": "/", "tokenHeader": "X-Token"}]}`, `missing tokenHeader in config`},
		"error in disabled global": {`{"enabled": false, "timeout": 0, "_rules_": [{"_match_route_": ["a"], "enabled": false}]}`, `invalid timeout in config: 0 (want 1 to 60000)`},
		"rule lacks what is needed": {`{"enabled": false, "serviceName": "token.dns", "_rules_": [{"_match_route_": ["a"], "requestPath": "/"}]}`,
			`_rules_[0]: missing tokenHeader in config`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := parseConfig([]byte(test.config), environment)
			if err == nil {
				t.Fatalf("no error, expected %q", test.want)
			}
			if err.Error() != test.want {
				t.Errorf("got      %q\nexpected %q", err, test.want)
			}
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("the error shows a secret: %q", err)
			}
		})
	}
}

func TestOAuth2Errors(t *testing.T) {
	tests := map[string]struct{ oauth2, want string }{
		"no id":             {`{"clientSecret": "s3cr3t"}`, `missing oauth2.clientId in config`},
		"no secret":         {`{"clientId": "id"}`, `missing oauth2.clientSecret in config`},
		"empty variable":    {`{"clientId": "id", "clientSecret": "${EMPTY}"}`, `missing oauth2.clientSecret in config`},
		"secret's type":     {`{"clientId": "id", "clientSecret": 12345}`, `invalid oauth2.clientSecret in config (want a string)`},
		"grant":             {`{"clientId": "id", "clientSecret": "s3cr3t", "grantType": "implicit"}`, `invalid oauth2.grantType in config: "implicit" (want client_credentials, urn:ietf:params:oauth:grant-type:token-exchange, password)`},
		"style":             {`{"clientId": "id", "clientSecret": "s3cr3t", "authStyle": "basic"}`, `invalid oauth2.authStyle in config: "basic" (want header, body)`},
		"scopes":            {`{"clientId": "id", "clientSecret": "s3cr3t", "scopes": "a b"}`, `invalid oauth2.scopes in config: "a b" (want a list of strings)`},
		"params":            {`{"clientId": "id", "clientSecret": "s3cr3t", "params": {"a": 5}}`, `invalid oauth2.params.a in config (want a string)`},
		"params twice":      {`{"clientId": "id", "clientSecret": "s3cr3t", "params": {"grant_type": "x"}}`, `invalid oauth2.params.grant_type in config: another key sets it`},
		"password, no user": {`{"clientId": "id", "clientSecret": "s3cr3t", "grantType": "password", "params": {"password": "s3cr3t"}}`, `missing oauth2.params.username in config (grantType password needs it)`},
		"resource":          {`{"clientId": "id", "clientSecret": "s3cr3t", "resource": 5}`, `invalid oauth2.resource in config: 5 (want a string or a list of strings)`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			config := `{"serviceName": "idp.dns", "requestPath": "/token", "oauth2": ` + test.oauth2 + `}`
			_, err := parseConfig([]byte(config), environment)
			if err == nil || err.Error() != test.want {
				t.Errorf("got      %v\nexpected %s", err, test.want)
			}
		})
	}
}

func TestConfigurationValues(t *testing.T) {
	header := func(config, name string) string {
		value, _ := tokenservice.FirstHeader(mustParse(t, config).global.service.Call(nil).Headers, name)
		return value
	}
	tests := map[string]struct{ got, want string }{
		"path without slash":                 {header(`{"serviceName": "a.dns", "requestPath": "t%20k?x=%2F", "tokenHeader": "T"}`, ":path"), "/t%20k?x=%2F"},
		"port 0":                             {clusterOf(mustParse(t, `{"serviceName": "a.dns", "servicePort": 0, "requestPath": "/", "tokenHeader": "T"}`).global), "outbound|80||a.dns"},
		"port in quotes, as the sample took": {clusterOf(mustParse(t, `{"serviceName": "a.dns", "servicePort": "8081", "requestPath": "/", "tokenHeader": "T"}`).global), "outbound|8081||a.dns"},
		"variables": {string(mustParse(t, extended(`"requestBody": "${NAME} $${NAME} ${secret.ns/name.key} $NAME"`)).global.service.Call(nil).Body),
			"value ${NAME} ${secret.ns/name.key} $NAME"},
		"content-length of a POST without body": {header(extended(`"requestMethod": "POST"`), "content-length"), "0"},
		"method with a body":                    {header(extended(`"requestBody": "a"`), ":method"), "POST"},
		"retries":                               {header(extended(`"retries": 3`), "x-envoy-max-retries"), "3"},
	}
	for name, test := range tests {
		if test.got != test.want {
			t.Errorf("%s: got %q, expected %q", name, test.got, test.want)
		}
	}
}

func clusterOf(p *part) string { return newClient(p, nil, nil).cluster.name }

func TestDefaultsOfCacheAndFailure(t *testing.T) {
	s := mustParse(t, extended(`"cache": {}`)).global
	want := cachePolicy{
		Policy: tokencache.Policy{Values: 1, RefreshBefore: -1, Backoff: time.Second, MaxEntries: 1024, MaxWaiting: 10000, Timeout: 1500 * time.Millisecond},
		shared: true, invalidateOn: []int{401},
	}
	got := *s.cache
	if len(got.invalidateOn) != 1 || got.invalidateOn[0] != 401 {
		t.Errorf("invalidateOn: got %v, expected [401]", got.invalidateOn)
	}
	got.invalidateOn, want.invalidateOn = nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("cache: got %+v, expected %+v", got, want)
	}
	if s.failure.mode != modeDeny || s.failure.status != 500 || string(s.failure.body) != "http call failed" || s.failure.contentType != "text/plain; charset=utf-8" {
		t.Errorf("failure with a cache: got %+v", s.failure)
	}
	if mode := mustParse(t, extended(`"failure": {}`)).global.failure.mode; mode != modeDeny {
		t.Errorf("failure without a mode: got %v, expected deny", mode)
	}
}

func TestRuleInheritance(t *testing.T) {
	parsed := mustParse(t, `{
		"serviceName": "token.dns", "requestPath": "/global", "tokenHeader": "X-Token", "timeout": 700,
		"requestHeaders": {"A": "1", "B": "2"}, "cache": {"ttl": 60, "maxEntries": 5}, "failure": {"status": 503, "body": "global"},
		"_rules_": [
			{"_match_route_": ["a"], "requestPath": "/rule", "requestHeaders": {"B": "3", "C": "4"}, "cache": {"backoff": 7}, "failure": {"mode": "allow"}},
			{"_match_route_": ["b"], "cache": null, "failure": null, "requestHeaders": {"A": null}},
			{"_match_route_": ["c"], "enabled": false}
		]}`)
	first, second, third := parsed.rules[0].part, parsed.rules[1].part, parsed.rules[2].part
	path, _ := tokenservice.FirstHeader(first.service.Call(nil).Headers, ":path")
	if path != "/rule" || first.service.Timeout != 700*time.Millisecond {
		t.Errorf("first rule: got path %q and timeout %s", path, first.service.Timeout)
	}
	for name, want := range map[string]string{"a": "1", "b": "3", "c": "4"} {
		if got, _ := tokenservice.FirstHeader(first.service.Call(nil).Headers, name); got != want {
			t.Errorf("first rule's header %s: got %q, expected %q", name, got, want)
		}
	}
	if first.cache.Backoff != 7*time.Millisecond || first.cache.MaxEntries != 5 {
		t.Errorf("first rule's cache is not merged: %+v", first.cache)
	}
	if first.failure.mode != modeAllow || first.failure.status != 503 || string(first.failure.body) != "global" {
		t.Errorf("first rule's failure is not merged: %+v", first.failure)
	}
	if second.cache != nil || second.failure.mode != modeSample {
		t.Errorf("null does not take keys away: %+v %+v", second.cache, second.failure)
	}
	if _, found := tokenservice.FirstHeader(second.service.Call(nil).Headers, "a"); found {
		t.Error("null does not take a header away")
	}
	if third.enabled || parsed.global == nil || !parsed.global.enabled {
		t.Error("enabled: expected the third rule only to be off")
	}
}

func TestOnlyRulesLeaveOthersAlone(t *testing.T) {
	parsed := mustParse(t, `{"_plugin_id_": "x", "_rules_": [{"_match_domain_": ["a.com"], "serviceName": "a.dns", "requestPath": "/", "tokenHeader": "T"}]}`)
	if parsed.global != nil {
		t.Error("keys of the gateway alone make a global part")
	}
}
