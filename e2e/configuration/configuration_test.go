// Package configuration_test tests which configurations a gateway accepts and rejects, and updates of the configuration
// under load. The values of each key are tested in internal/config.
package configuration_test

import (
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

// hidden marks values in configurations that errors must not show. It contains the mark, so no log may contain it either.
const hidden = harness.SecretMark + "-value"

// refusedConfigs has one configuration of each kind. It tests the way from the parser's error to Envoy's log.
var refusedConfigs = map[string]struct {
	config any
	want   string
}{
	"two keys": {
		harness.Merge(harness.SampleWith("timeout", 60_001), map[string]any{"tokenHeader": "", "requestBody": map[string]any{"password": hidden}}),
		"missing tokenHeader in config; invalid timeout in config: 60001 (want 1 to 60000); invalid requestBody in config (want a string)",
	},
	// wasm-go itself would go on without the global part.
	"the global part, with good rules": {
		harness.WithRules(map[string]any{"tokenHeader": "X-Token"}, harness.SampleWith("_match_route_", []string{"route-a"})),
		"missing requestPath in config; missing serviceName in config",
	},
	"a rule": {
		harness.WithRules(harness.SampleConfig(),
			map[string]any{"_match_route_": []string{"route-a"}}, map[string]any{"_match_route_": []string{"route-b"}, "timeout": 0}),
		"_rules_[1]: invalid timeout in config: 0 (want 1 to 60000)",
	},
	"a variable that is not set": {
		harness.SampleWith("requestHeaders", map[string]any{"X-Api-Key": hidden + "${NOT_SET}"}),
		"invalid requestHeaders.X-Api-Key in config: environment variable NOT_SET is not set in the VM",
	},
	"empty": {"", "invalid config: it is empty (want a JSON object)"},
	// wasm-go itself would log it.
	"not JSON": {
		"{\n  \"serviceName\": \"token.static\",\n  \"requestBody\": \"" + hidden + "\"" + hidden + "\"\n}",
		"invalid config: not JSON at line 3, column 32",
	},
	"nested deeper than the VM's stack": {
		`{"requestHeaders":` + strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000) + "}",
		"invalid config: it is nested too deep (want at most 64 levels)",
	},
}

func TestConfigurations(t *testing.T) {
	t.Parallel()
	gateway := harness.StartTraced(t, harness.Options{Config: harness.SampleConfig()})
	t.Run("sample", func(t *testing.T) { checkSample(t, gateway) })
	t.Run("as the console may send it", func(t *testing.T) {
		gateway.Update(t, "\n\t {\"serviceName\": \"token.static\", \"servicePort\": \"80\", \"requestPath\": \"token\", \"tokenHeader\": \"X-Token\", \"_plugin_id_\": \"a\", \"_rules_\": []}\n")
		checkSample(t, gateway)
	})
	for name, test := range refusedConfigs {
		t.Run(name, func(t *testing.T) { gateway.CheckRefuses(t, test.config, test.want) })
	}
	t.Run("after all refusals", func(t *testing.T) { checkSample(t, gateway) })
}

// TestRefusedStart has no earlier configuration to fall back to, and a gateway that would let requests pass without the
// plugin.
func TestRefusedStart(t *testing.T) {
	t.Parallel()
	log := harness.StartRefused(t, harness.Options{Config: harness.SampleWith("tokenHeadr", hidden), FailOpen: true})
	if got, want := harness.StartError(log), "unknown key tokenHeadr in config (did you mean tokenHeader?)"; got != want {
		t.Errorf("the plugin says %q, want %q", got, want)
	}
}

// checkSample checks that the gateway does what the guide's sample does: a call for each request, whose failure denies it.
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
