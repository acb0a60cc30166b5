package operations_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// Whatever holds one of these must not be in a log, a statistic or a reply.
var secrets = []string{
	"token-of-answer-41d0", "token-of-failure-b28c", "token-in-body-73fe", "token-of-subject-9a11", "token-of-actor-b81d", "token-of-exchange-c5d7",
	"literal-secret-08ea", "environment-secret-f3b6", "basic-secret-6c9d", "param-secret-2e57", "value-of-client-d04b",
	"value-for-upstream-e862", "description-1f7a", "forged-by-client-55c3", "broken-secret-a93e",
	base64.StdEncoding.EncodeToString([]byte("client:basic-secret-6c9d")),
}

var secretConfigs = map[string]map[string]any{
	"sample": harness.PlainConfig(map[string]any{
		"requestPath":    "/sample?key=literal-secret-08ea",
		"requestHeaders": map[string]any{"X-Api-Key": "${SECRET}", "Authorization": "Bearer literal-secret-08ea"},
		"requestBody":    `{"password": "${SECRET}", "other": "literal-secret-08ea"}`,
	}),
	"json": harness.PlainConfig(map[string]any{"tokenPath": "token", "upstreamHeaders": map[string]any{"X-User": "body:user"}, "retries": 2}),
	"cache": harness.PlainConfig(map[string]any{
		"cache":          map[string]any{"backoff": 1, "staleIfError": 60},
		"forwardHeaders": []string{"Cookie"},
	}),
	"shared":   harness.PlainConfig(map[string]any{"cache": map[string]any{"backoff": 1}}),
	"own":      harness.PlainConfig(map[string]any{"overwrite": false}),
	"allow":    harness.PlainConfig(map[string]any{"failure": map[string]any{"mode": "allow"}}),
	"basic":    harness.OAuth2Config("/basic", map[string]any{"clientSecret": "basic-secret-6c9d", "params": map[string]any{"key": "param-secret-2e57"}}, nil),
	"body":     harness.OAuth2Config("/body", map[string]any{"clientSecret": "${SECRET}", "authStyle": "body"}, map[string]any{"cache": map[string]any{"backoff": 1}}),
	"exchange": harness.OAuth2Config("/exchange", map[string]any{"clientSecret": "${SECRET}", "grantType": harness.TokenExchange}, map[string]any{"cache": map[string]any{"backoff": 1}}),
	"assertion": harness.OAuth2Config("/assertion", map[string]any{"clientSecret": "${SECRET}", "grantType": harness.JWTBearer, "params": map[string]any{"key": "param-secret-2e57"}},
		map[string]any{"cache": map[string]any{"backoff": 1}, "tokenHeader": "X-Token"}),
	"actor":   harness.OAuth2Config("/actor", harness.Merge(harness.Delegation, map[string]any{"clientSecret": "${SECRET}"}), map[string]any{"cache": map[string]any{"backoff": 1}}),
	"unknown": harness.PlainConfig(map[string]any{"serviceName": "unknown.static", "requestBody": "${SECRET}"}),
	"timeout": harness.Merge(harness.SampleConfig(), map[string]any{"timeout": 1, "requestBody": "${SECRET}"}),
}

// secretAnswers are answers with secrets in all places.
var secretAnswers = map[string]http.HandlerFunc{
	"token": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Token", "token-of-answer-41d0")
		harness.JSON(200, `{"token": "token-in-body-73fe", "user": "value-for-upstream-e862", "access_token": "token-of-exchange-c5d7", "expires_in": 2}`)(w, r)
	},
	"500":       failing(500, `{"error": "server_error", "error_description": "description-1f7a", "access_token": "token-in-body-73fe"}`),
	"401":       failing(401, `{"error": "invalid_client", "error_description": "the secret environment-secret-f3b6 is wrong"}`),
	"code":      failing(400, `{"error": "Wrong secret: basic-secret-6c9d", "access_token": "token-of-exchange-c5d7"}`),
	"302":       failing(302, ""),
	"429":       failing(429, "token-in-body-73fe"),
	"HTML":      failing(200, "<html>token-in-body-73fe</html>"),
	"cut":       failing(200, `{"token": "token-in-body-73fe", "access_token": "token-of-exchange-c5d7`),
	"no header": failing(200, `{"token": "token-in-body-73fe\n", "access_token": "token-of-exchange-c5d7\u0000"}`),
	"bad type":  failing(200, `{"token": ["token-in-body-73fe"], "access_token": {"token-of-exchange-c5d7": 1}, "token_type": "description-1f7a"}`),
	"reset":     harness.Reset(),
	"not HTTP":  harness.Raw("token-of-failure-b28c\r\n\r\ntoken-in-body-73fe"),
	"too long":  failing(200, `{"token": "token-in-body-73fe`+strings.Repeat(".", harness.MaxToken)+`"}`),
}

func failing(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Token", "token-of-failure-b28c\t")
		w.Header().Set("Location", "/?token=token-of-failure-b28c")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// brokenConfigs are refused with a secret in them. FuzzSecrets tries all keys; here is the way from there to Envoy's log.
var brokenConfigs = map[string]any{
	"not JSON":         `{"requestBody": "broken-secret-a93e"`,
	"YAML":             "oauth2:\n  clientSecret: broken-secret-a93e\n",
	"another key":      harness.SampleWith("requestBody", "broken-secret-a93e${NOT_SET}"),
	"a rule":           map[string]any{"_rules_": []any{harness.SampleWith("requestBody", []string{"broken-secret-a93e"})}},
	"variable as path": harness.SampleWith("requestPath", "${BROKEN}"),
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	signed, signedWith := signedConfigs(t)
	hidden := slices.Concat(secrets, signedWith)
	gateway := harness.Start(t, harness.Options{
		Config:  harness.ByHost(secretConfigs, signed),
		WasmLog: "trace",
		Env: map[string]string{
			"SECRET":  "environment-secret-f3b6",
			"LITERAL": strings.ReplaceAll(harness.PrivatePEM(t, "ES256"), "\n", `\n`),
			"BROKEN":  "broken-secret-a93e/ is not allowed@here",
		},
	})
	var replies []string
	for answer, handle := range secretAnswers {
		gateway.Token.Handle(handle)
		for _, host := range slices.Concat(slices.Collect(maps.Keys(secretConfigs)), slices.Collect(maps.Keys(signed))) {
			for path, status := range map[string]int{"/": 200, "/refused": 401} {
				gateway.Upstream.Respond(func(*http.Request) int { return status })
				got := gateway.Post(t, path, "value-of-client-d04b", "Host: "+host, "X-Token: forged-by-client-55c3",
					"Cookie: value-of-client-d04b"+answer, "Authorization: Bearer token-of-subject-9a11", "X-Actor: token-of-actor-b81d")
				if got.Header.Get("Content-Type") != "application/json" { // the upstream's
					replies = append(replies, fmt.Sprint(host, " ", answer, ": ", got))
				}
			}
		}
	}
	if len(replies) == 0 || gateway.Counter(t, "calls") == 0 {
		t.Errorf("%d replies and %d calls", len(replies), gateway.Counter(t, "calls"))
	}
	for host := range signed {
		sent := signaturesOf(t, gateway.Token.CallsOf(host))
		if len(sent) < 2 {
			t.Errorf("%s: %d assertions were sent, want several", host, len(sent))
		}
		hidden = append(hidden, sent...)
	}
	checkNoSecret(t, "a reply to a client", strings.Join(replies, "\n"), hidden)
	checkNoSecret(t, "the log", gateway.Log(), hidden)
	if !strings.Contains(gateway.Log(), "[trace][wasm]") {
		t.Error("Envoy does not log at trace level")
	}
	broken := maps.Clone(brokenConfigs)
	key := harness.PrivatePEM(t, "ES256")
	broken["a private key that is cut"] = harness.OAuth2Config("/signed", harness.Merge(harness.SignedBy(t, "ES256", "ES256"), harness.Config{"privateKey": key[:len(key)-80]}), nil)
	for name, config := range broken {
		t.Run(name, func(t *testing.T) {
			log := gateway.UpdateRefused(t, config)
			if !strings.Contains(log, "the plugin does not start: ") {
				t.Errorf("Envoy logged no reason:\n%s", log)
			}
			checkNoSecret(t, "the log", log, hidden)
		})
	}
	var stats []string
	for name, value := range gateway.Stats(t, ".*") {
		stats = append(stats, name+" "+value)
	}
	checkNoSecret(t, "the statistics", strings.Join(stats, "\n"), hidden)
}

// Envoy shows the values of key_values to whoever reaches its admin interface, but not those of host_env_keys.
func TestSecretsInConfigDump(t *testing.T) {
	const ofVM, ofHost = harness.SecretMark + "-of-the-vm", harness.SecretMark + "-of-the-host"
	t.Setenv("TOKEN_FETCH_HOST_SECRET", ofHost)
	gateway := harness.Start(t, harness.Options{
		Env: map[string]string{"VM_SECRET": ofVM}, HostEnv: []string{"TOKEN_FETCH_HOST_SECRET"},
		Config: harness.PlainConfig(harness.Config{"requestHeaders": map[string]string{"X-A": "${VM_SECRET}", "X-B": "${TOKEN_FETCH_HOST_SECRET}"}}),
	})
	gateway.Get(t, "/")
	if call := gateway.Token.WaitCalls(t, 1)[0].Header; call.Get("X-A") != ofVM || call.Get("X-B") != ofHost {
		t.Errorf("the token service received %q and %q, expected both secrets", call.Get("X-A"), call.Get("X-B"))
	}
	if dump := gateway.Admin(t, "/config_dump"); !strings.Contains(dump, ofVM) || strings.Contains(dump, ofHost) {
		t.Errorf("/config_dump shows the VM's secret: %t, the host's: %t; expected true, false", strings.Contains(dump, ofVM), strings.Contains(dump, ofHost))
	}
}

// checkNoSecret looks for secrets line by line, for a short message.
func checkNoSecret(t *testing.T, where, text string, hidden []string) {
	t.Helper()
	for line := range strings.Lines(text) {
		isIn := func(secret string) bool { return strings.Contains(line, secret) }
		if slices.ContainsFunc(hidden, isIn) {
			t.Errorf("in %s: %s", where, line)
		}
	}
}
