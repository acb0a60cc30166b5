package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// without is a copy of the sample's configuration that lacks a key.
func without(key string) map[string]any {
	config := harness.Merge(harness.SampleConfig(), nil)
	delete(config, key)
	return config
}

func with(key string, value any) map[string]any {
	return harness.Merge(harness.SampleConfig(), map[string]any{key: value})
}

// hidden stands in configurations where an error must not show it.
const hidden = "s3cr3t-value"

const notReplaced = "the gateway has not replaced its ${secret.…} (want ${secret.namespace/name.key} of a Secret that it can read, " +
	"without quotes and line ends in its value)"

var refusedConfigs = map[string]struct {
	config any
	want   string // the error in Envoy's log
}{
	"no tokenHeader":    {without("tokenHeader"), "missing tokenHeader in config"},
	"no requestPath":    {without("requestPath"), "missing requestPath in config"},
	"no serviceName":    {without("serviceName"), "missing serviceName in config"},
	"empty tokenHeader": {with("tokenHeader", ""), "missing tokenHeader in config"},
	"null serviceName":  {with("serviceName", nil), "missing serviceName in config"},
	"nothing":           {map[string]any{}, "missing tokenHeader in config; missing requestPath in config; missing serviceName in config"},

	"timeout 0":     {with("timeout", 0), "invalid timeout in config: 0 (want 1 to 60000)"},
	"timeout text":  {with("timeout", "500"), `invalid timeout in config: "500" (want 1 to 60000, without quotes)`},
	"timeout":       {with("timeout", 60_001), "invalid timeout in config: 60001 (want 1 to 60000)"},
	"half":          {with("timeout", 0.5), "invalid timeout in config: 0.5 (want 1 to 60000)"},
	"retries":       {with("retries", 6), "invalid retries in config: 6 (want 0 to 5)"},
	"port":          {with("servicePort", 65_536), "invalid servicePort in config: 65536 (want 1 to 65535)"},
	"negative port": {with("servicePort", -1), "invalid servicePort in config: -1 (want 1 to 65535)"},
	"status":        {with("failure", map[string]any{"status": 200}), "invalid failure.status in config: 200 (want 400 to 599)"},
	"mode":          {with("failure", map[string]any{"mode": "open"}), `invalid failure.mode in config: "open" (want deny, allow)`},
	"enabled":       {with("enabled", "false"), `invalid enabled in config: "false" (want true or false, without quotes)`},
	"list":          {with("forwardHeaders", "Cookie"), `invalid forwardHeaders in config: "Cookie" (want a list of strings)`},
	"null cache":    {with("cache", true), "invalid cache in config: true (want an object)"},

	"typing error":           {with("tokenHeadr", "X-Token"), "unknown key tokenHeadr in config (did you mean tokenHeader?)"},
	"case":                   {with("tokenheader", "X-Token"), "unknown key tokenheader in config (did you mean tokenHeader?)"},
	"typing error in object": {with("cache", map[string]any{"tll": 5}), "unknown key cache.tll in config (did you mean cache.ttl?)"},
	"unknown key":            {with("verbose", true), "unknown key verbose in config"},

	"global beside rules": {
		harness.Merge(with("timeout", 0), map[string]any{"_rules_": []any{map[string]any{"_match_route_": []string{"route-a"}}}}),
		"invalid timeout in config: 0 (want 1 to 60000)",
	},
	"global beside complete rules": {
		map[string]any{"tokenHeader": "X-Token", "_rules_": []any{with("_match_route_", []string{"route-a"})}},
		"missing requestPath in config; missing serviceName in config",
	},
	"second rule": {
		harness.Merge(harness.SampleConfig(), map[string]any{"_rules_": []any{
			map[string]any{"_match_route_": []string{"route-a"}},
			map[string]any{"_match_route_": []string{"route-b"}, "timeout": 0},
		}}),
		"_rules_[1]: invalid timeout in config: 0 (want 1 to 60000)",
	},
	"rule of its own": {
		map[string]any{"_rules_": []any{map[string]any{"_match_route_": []string{"route-a"}, "serviceName": harness.TokenName, "tokenHeader": "X-Token"}}},
		"_rules_[0]: missing requestPath in config",
	},
	"rule that is off": {
		harness.Merge(harness.SampleConfig(), map[string]any{"_rules_": []any{map[string]any{"_match_route_": []string{"route-a"}, "enabled": false, "retrys": 1}}}),
		"_rules_[0]: unknown key retrys in config (did you mean retries?)",
	},
	"rule without condition": {
		harness.Merge(harness.SampleConfig(), map[string]any{"_rules_": []any{map[string]any{"timeout": 1}}}),
		"_rules_[0]: missing condition in config (want _match_route_, _match_domain_, _match_service_ or _match_route_prefix_)",
	},

	"variable not set": {with("serviceHost", "${NOT_SET}"), "invalid serviceHost in config: environment variable NOT_SET is not set in the VM"},
	"variable in a header": {
		with("requestHeaders", map[string]any{"X-Api-Key": hidden + "${NOT_SET}"}),
		"invalid requestHeaders.X-Api-Key in config: environment variable NOT_SET is not set in the VM",
	},
	"variable not closed": {with("requestBody", hidden+"${SET"), "invalid requestBody in config: ${ without } (want ${NAME}, or $${ for a literal ${)"},

	"placeholder of a secret": {
		with("oauth2", map[string]any{"clientId": "id", "clientSecret": "${secret." + hidden + "/name.key}"}),
		"invalid oauth2.clientSecret in config: " + notReplaced,
	},
	"placeholder in a list":   {with("forwardHeaders", []string{"X-A", "${secret." + hidden + "/name.key}"}), "invalid forwardHeaders[1] in config: " + notReplaced},
	"placeholder in a header": {with("requestHeaders", map[string]any{"X-Api-Key": "Key ${secret." + hidden + "/name.key}"}), "invalid requestHeaders.X-Api-Key in config: " + notReplaced},
	"placeholder in a rule": {
		harness.Merge(harness.SampleConfig(), map[string]any{"_rules_": []any{
			map[string]any{"_match_route_": []string{"route-a"}, "requestBody": "${secret." + hidden + "/name.key}"},
		}}),
		"_rules_[0]: invalid requestBody in config: " + notReplaced,
	},

	"secret of another type": {
		with("oauth2", map[string]any{"clientId": "id", "clientSecret": []string{hidden}}),
		"invalid oauth2.clientSecret in config (want a string)",
	},
	"body of another type": {with("requestBody", map[string]any{"password": hidden}), "invalid requestBody in config (want a string)"},
	"header of another type": {
		with("requestHeaders", map[string]any{"X-Api-Key": []string{hidden}}),
		"invalid requestHeaders.X-Api-Key in config (want a string)",
	},
	"header with a line break": {
		with("requestHeaders", map[string]any{"X-Api-Key": hidden + "\n"}),
		"invalid requestHeaders.X-Api-Key in config (want a header value: no control characters)",
	},
	"params of another type": {
		with("oauth2", map[string]any{"clientId": "id", "clientSecret": hidden, "params": map[string]any{"password": map[string]any{hidden: hidden}}}),
		"invalid oauth2.params.password in config (want a string)",
	},
	"params as text": {
		with("oauth2", map[string]any{"clientId": "id", "clientSecret": hidden, "params": hidden}),
		"invalid oauth2.params in config (want an object of strings)",
	},
	"actor is the subject": {
		harness.OAuth2Config("/", harness.Merge(delegation, map[string]any{"subjectTokenHeader": "x-actor"}), nil),
		`invalid oauth2.actorTokenHeader in config: "X-Actor" (want another header than subjectTokenHeader)`,
	},
	"actor is a pseudo-header": {
		harness.OAuth2Config("/", harness.Merge(harness.Exchange, map[string]any{"actorTokenHeader": ":path"}), nil),
		"invalid oauth2.actorTokenHeader in config: \":path\" (want the name of a header that may be set: letters, digits and -_.!#$%&'*+^`|~, and not one of the connection's own)",
	},
	"subject is forwarded": {
		harness.OAuth2Config("/", harness.Merge(harness.Exchange, map[string]any{"subjectTokenHeader": "X-Subject"}), map[string]any{"forwardHeaders": []string{"x-subject"}}),
		`invalid forwardHeaders in config: "x-subject" (want headers without a token to be exchanged, which goes into the form)`,
	},
	"subject is never exchanged": {
		harness.OAuth2Config("/", assertion, map[string]any{"overwrite": false}),
		"invalid overwrite in config: false (want true: tokenHeader also carries the caller's token, so no request would ever be exchanged)",
	},
	"assertion among the params": {
		harness.OAuth2Config("/", harness.Merge(assertion, map[string]any{"params": map[string]any{"assertion": hidden}}), nil),
		"invalid oauth2.params.assertion in config: another key sets it",
	},
	"kept by text": {
		harness.OAuth2Config("/", harness.Merge(harness.Exchange, map[string]any{"keepSubjectToken": "yes"}), nil),
		`invalid oauth2.keepSubjectToken in config: "yes" (want true or false)`,
	},
	"no client secret": {with("oauth2", map[string]any{"clientId": "id"}), "missing oauth2.clientSecret in config"},

	"empty":           {"", "invalid config: it is empty (want a JSON object)"},
	"list of configs": {`["` + hidden + `"]`, "invalid config: not a JSON object"},
	"YAML":            {"serviceName: token.static\nclientSecret: " + hidden, "invalid config: not JSON at line 1, column 1"},
	"quote in a secret": {
		"{\n  \"serviceName\": \"token.static\",\n  \"requestBody\": \"" + hidden + "\"" + hidden + "\"\n}",
		"invalid config: not JSON at line 3, column 32",
	},
	"line break in a secret": {"{\"requestBody\": \"" + hidden + "\n\"}", "invalid config: not JSON at line 1, column 30"},
	"cut":                    {`{"requestBody": "` + hidden, "invalid config: not JSON at line 1, column 29"},
	"more after the end":     {`{} "` + hidden + `"`, "invalid config: not JSON at line 1, column 4"},
}

func TestConfigurations(t *testing.T) {
	gateway := harness.Start(t, harness.Options{Config: harness.SampleConfig(), WasmLog: "trace", Env: environment})
	t.Run("sample", func(t *testing.T) { checkSample(t, gateway) })
	for name, config := range sampleConfigs {
		t.Run(name, func(t *testing.T) {
			gateway.Update(t, config)
			checkSample(t, gateway)
		})
	}
	for name, test := range refusedConfigs {
		t.Run(name, func(t *testing.T) { checkRefused(t, gateway.UpdateRefused(t, test.config), test.want) })
	}
	t.Run("after all refusals", func(t *testing.T) { checkSample(t, gateway) })
	t.Run("environment", func(t *testing.T) {
		gateway.Update(t, expandedConfig)
		checkEnvironment(t, gateway)
	})
}

// TestRefusedStart has no earlier configuration to fall back to, and a gateway
// that would let requests pass without the plugin.
func TestRefusedStart(t *testing.T) {
	log := harness.StartRefused(t, harness.Options{Config: with("tokenHeadr", hidden), FailOpen: true})
	checkRefused(t, log, "unknown key tokenHeadr in config (did you mean tokenHeader?)")
}

func checkRefused(t *testing.T, log, want string) {
	t.Helper()
	_, text, found := strings.Cut(log, "the plugin does not start: ")
	if text, _, _ := strings.Cut(text, "\n"); !found || text != want {
		t.Errorf("Envoy logged %q, want %q\n%s", text, want, log)
	}
	if strings.Contains(log, hidden) {
		t.Errorf("Envoy logged the secret:\n%s", log)
	}
}

// sampleConfigs were all good for the guide's sample.
var sampleConfigs = map[string]any{
	"no slash":        with("requestPath", "token"),
	"no port":         without("servicePort"),
	"port 0":          with("servicePort", 0),
	"port as text":    with("servicePort", "80"),
	"gateway's own":   with("_plugin_id_", "token-fetch.internal"),
	"spaced and long": "\n\t " + indented(harness.SampleConfig()) + "\n",
}

func indented(config map[string]any) string {
	data, err := json.MarshalIndent(config, "", "    ")
	if err != nil {
		panic(err) // the test's own value
	}
	return string(data)
}

func checkSample(t *testing.T, gateway *harness.Gateway) {
	t.Helper()
	gateway.Token.Handle(harness.HeaderToken("X-Token", "token-1"))
	gateway.Token.Forget()
	for range 2 {
		harness.CheckStatus(t, gateway.Get(t, "/", "X-Token: forged"), 200)
		gateway.Upstream.CheckHeader(t, "X-Token", "token-1")
	}
	calls := gateway.Token.Calls()
	if len(calls) != 2 || calls[0].Method != "GET" || calls[0].URI != "/token" || calls[0].Host != harness.TokenName {
		t.Errorf("the token service received %+v", calls)
	}
	gateway.Token.Handle(harness.Status(500))
	harness.CheckReply(t, gateway.Get(t, "/"), harness.DefaultReply)
}

var (
	environment = map[string]string{
		"SERVICE":  "token",
		"API_KEY":  `k"e\y $${SERVICE} ${SERVICE}`, // is not expanded once more
		"EMPTY":    "",
		"lower_1":  "lower",
		"PASSWORD": "pass",
		"SET":      hidden,
	}

	expandedConfig = harness.PlainConfig(map[string]any{
		"serviceName": "${SERVICE}.static",
		"requestPath": "/${SERVICE}?a=${EMPTY}b",
		"requestBody": `{"password": "${PASSWORD}", "literal": "$${PASSWORD}", "other": "$PASSWORD $$ $ ${gateway.name}"}`,
		"requestHeaders": map[string]any{
			"X-Api-Key": "${API_KEY}",
			"X-Both":    "${lower_1}${PASSWORD}",
		},
	})
)

func checkEnvironment(t *testing.T, gateway *harness.Gateway) {
	gateway.Token.Handle(harness.HeaderToken("X-Token", "token-1"))
	gateway.Token.Forget()
	harness.CheckStatus(t, gateway.Get(t, "/"), 200)
	gateway.Upstream.CheckHeader(t, "X-Token", "token-1")
	call := gateway.Token.WaitCalls(t, 1)[0]
	if call.URI != "/token?a=b" {
		t.Errorf("the token service received %s", call.URI)
	}
	if want := `{"password": "pass", "literal": "${PASSWORD}", "other": "$PASSWORD $$ $ ${gateway.name}"}`; call.Body != want {
		t.Errorf("the token service received the body %s, want %s", call.Body, want)
	}
	for name, want := range map[string]string{"X-Api-Key": environment["API_KEY"], "X-Both": "lowerpass"} {
		if got := call.Header.Get(name); got != want {
			t.Errorf("the token service received %s %q, want %q", name, got, want)
		}
	}
}
