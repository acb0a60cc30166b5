package operations_test

import (
	"encoding/pem"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// longSecret is one that HS256 takes.
const longSecret = "a-secret-of-more-than-32-characters-+%&=:/"

// signedStyles are clients that sign, by what they sign with.
func signedStyles(t *testing.T) map[string]map[string]any {
	t.Helper()
	styles := map[string]map[string]any{
		"HS256":   {"clientSecret": longSecret, "authStyle": "client_secret_jwt"},
		"literal": harness.Merge(harness.SignedBy(t, "ES256", "ES256"), map[string]any{"privateKey": "${LITERAL}", "keyId": "key-1"}),
	}
	for _, algorithm := range []string{"ES256", "ES384", "RS256", "PS256", "EdDSA"} {
		styles[algorithm] = harness.SignedBy(t, algorithm, algorithm)
	}
	return styles
}

// keyLines are all that a PEM text has of the key.
func keyLines(text string) []string {
	lines := strings.Split(strings.ReplaceAll(text, `\n`, "\n"), "\n")
	return slices.DeleteFunc(lines, func(line string) bool { return line == "" || strings.HasPrefix(line, "-----") })
}

// TestSecretsOfSignedCalls looks for keys, and for what was signed with them, where nothing of it may be.
func TestSecretsOfSignedCalls(t *testing.T) {
	t.Parallel()
	styles, hosts := signedStyles(t), map[string]map[string]any{}
	hidden := []string{longSecret}
	for name, oauth2 := range styles {
		host := "signed-" + harness.HostName(name)
		hosts[host] = harness.OAuth2Config("/"+host, oauth2, map[string]any{
			"forwardHeaders": []string{"X-User"}, "cache": map[string]any{"backoff": 1},
		})
		if text, isKey := oauth2["privateKey"].(string); isKey {
			hidden = append(hidden, keyLines(text)...)
		}
	}
	gateway := harness.Start(t, harness.Options{
		Config: harness.ByHost(hosts), WasmLog: "trace",
		Env: map[string]string{"LITERAL": strings.ReplaceAll(harness.PrivatePEM(t, "ES256"), "\n", `\n`)},
	})
	var replies []string
	for answer, handle := range secretAnswers {
		gateway.Token.Handle(handle)
		for host := range hosts {
			replies = append(replies, fmt.Sprint(gateway.Get(t, "/", "Host: "+host, "X-User: "+answer)))
		}
	}
	for host := range hosts {
		sent := signaturesOf(t, gateway.Token.CallsOf(host))
		if len(sent) < 2 {
			t.Errorf("%s: %d assertions were sent, want several", host, len(sent))
		}
		hidden = append(hidden, sent...)
	}
	for name, broken := range brokenKeys(t) {
		t.Run(name, func(t *testing.T) {
			log := gateway.UpdateRefused(t, harness.OAuth2Config("/signed", broken, nil))
			if !strings.Contains(log, "the plugin does not start: invalid oauth2.") {
				t.Errorf("Envoy logged no reason:\n%s", log)
			}
			text, _ := broken["privateKey"].(string)
			checkHidden(t, "the log", log, append(keyLines(text), hidden...))
		})
	}
	checkHidden(t, "a reply to a client", strings.Join(replies, "\n"), hidden)
	checkHidden(t, "the log", gateway.Log(), hidden)
	for name, value := range gateway.Stats(t, ".*") {
		checkHidden(t, "the statistics", name+" "+value, hidden)
	}
}

// signaturesOf are those of the calls' assertions.
func signaturesOf(t *testing.T, calls []harness.Call) []string {
	t.Helper()
	var found []string
	for _, call := range calls {
		form, err := url.ParseQuery(call.Body)
		if err != nil {
			t.Fatal(err)
		}
		assertion := form.Get("client_assertion")
		signature := assertion[strings.LastIndexByte(assertion, '.')+1:]
		if len(signature) < 40 {
			t.Fatalf("the token service received %q", form)
		}
		found = append(found, signature)
	}
	return found
}

func checkHidden(t *testing.T, where, text string, hidden []string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if slices.ContainsFunc(hidden, func(secret string) bool { return strings.Contains(line, secret) }) {
			t.Errorf("in %s: %s", where, line)
		}
	}
}

// brokenKeys are refused, with a key in them or what could be one.
func brokenKeys(t *testing.T) map[string]map[string]any {
	t.Helper()
	good := harness.SignedBy(t, "ES256", "ES256")
	text := good["privateKey"].(string)
	block, _ := pem.Decode([]byte(text))
	mislabelled := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: block.Bytes}))
	with := func(key string, value any) map[string]any { return harness.Merge(good, map[string]any{key: value}) }
	return map[string]map[string]any{
		"cut":                  with("privateKey", text[:len(text)-80]),
		"mislabelled":          with("privateKey", mislabelled),
		"twice":                with("privateKey", text+text),
		"unknown variable":     with("privateKey", text+"${NOT_SET}"),
		"key as algorithm":     harness.Merge(good, map[string]any{"signingAlgorithm": text, "privateKey": text}),
		"key as secret, other": harness.Merge(good, map[string]any{"authStyle": "none", "clientSecret": text, "privateKey": nil}),
		"a short secret":       {"authStyle": "client_secret_jwt", "clientSecret": longSecret[:31]},
	}
}
