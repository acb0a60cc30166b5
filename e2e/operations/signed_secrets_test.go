package operations_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// longSecret is one that HS256 takes.
const longSecret = "a-secret-of-more-than-32-characters-+%&=:/"

// signedConfigs are clients that sign, by their hosts, and hidden is all that they sign with.
func signedConfigs(t *testing.T) (configs map[string]harness.Config, hidden []string) {
	t.Helper()
	clients := map[string]harness.Config{
		"HS256":   {"clientSecret": longSecret, "authStyle": "client_secret_jwt"},
		"literal": harness.Merge(harness.SignedBy(t, "ES256", "ES256"), harness.Config{"privateKey": "${LITERAL}", "keyId": "key-1"}),
	}
	for _, algorithm := range []string{"ES256", "ES384", "RS256", "PS256", "EdDSA"} {
		clients[algorithm] = harness.SignedBy(t, algorithm, algorithm)
	}
	configs, hidden = map[string]harness.Config{}, []string{longSecret}
	for name, oauth2 := range clients {
		host := "signed-" + harness.HostName(name)
		configs[host] = harness.OAuth2Config("/"+host, oauth2, harness.Config{"forwardHeaders": []string{"Cookie"}, "cache": harness.Config{"backoff": 1}})
		if text, isKey := oauth2["privateKey"].(string); isKey {
			hidden = append(hidden, keyLines(text)...)
		}
	}
	return configs, hidden
}

// keyLines are all that a PEM text has of the key, but for lines so short that they could stand anywhere.
func keyLines(text string) []string {
	lines := strings.Split(strings.ReplaceAll(text, `\n`, "\n"), "\n")
	return slices.DeleteFunc(lines, func(line string) bool { return len(line) < 20 || strings.HasPrefix(line, "-----") })
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
