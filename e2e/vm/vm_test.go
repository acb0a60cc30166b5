package vm_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
	"token-fetch/e2e/vm"
)

func compile(t *testing.T) *vm.Plugin {
	t.Helper()
	path, err := harness.Wasm()
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	plugin, err := vm.Compile(t.Context(), module, filepath.Join(filepath.Dir(path), "build", "compiled"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { plugin.Close(t.Context()) })
	return plugin
}

// The plugin reads its configuration and its environment, and its errors are seen.
func TestStart(t *testing.T) {
	const good = `"serviceName": "a.dns", "requestPath": "/", "tokenHeader": "X-Token"`
	plugin := compile(t)
	tests := map[string]struct {
		config string
		want   string // the error; empty for none
	}{
		"good":             {`{` + good + `}`, ""},
		"with a cache":     {`{` + good + `, "cache": {}}`, ""},
		"with rules":       {`{` + good + `, "_rules_": [{"_match_route_": ["a"]}]}`, ""},
		"a variable":       {`{` + good + `, "requestBody": "${SET}"}`, ""},
		"no configuration": {``, "the plugin does not start: invalid config: it is empty (want a JSON object)"},
		"an unknown key":   {`{` + good + `, "cahce": {}}`, "the plugin does not start: unknown key cahce in config (did you mean cache?)"},
		"no variable":      {`{` + good + `, "requestBody": "${UNSET}"}`, "the plugin does not start: invalid requestBody in config: environment variable UNSET is not set in the VM"},
		"nested too deep":  {strings.Repeat(`{"a":`, 10000), "the plugin does not start: invalid config: it is nested too deep (want at most 64 levels)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			start, err := plugin.Start(t.Context(), []byte(test.config), map[string]string{"SET": "x"})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, line := range start.Lines {
				if line.Level >= vm.Warn {
					got += line.Text
				}
			}
			if got != test.want || start.OK != (test.want == "") {
				t.Errorf("got %q (started: %v), expected %q", got, start.OK, test.want)
			}
		})
	}
}

func TestStartOfALargeConfiguration(t *testing.T) {
	var rules []string
	for i := range 1000 {
		rules = append(rules, fmt.Sprintf(`{"_match_route_": ["default/route-%d"], "requestPath": "/token?for=%d", "tokenHeader": "X-Token"}`, i, i))
	}
	config := `{"serviceName": "a.dns", "enabled": false, "_rules_": [` + strings.Join(rules, ",") + `]}`
	start, err := compile(t).Start(t.Context(), []byte(config), nil)
	if err != nil || !start.OK {
		t.Errorf("%d bytes: got %+v, %v, expected a start", len(config), start, err)
	}
}

func TestNotAPlugin(t *testing.T) {
	_, err := vm.Compile(t.Context(), []byte("not wasm"), "")
	if err == nil || !strings.HasPrefix(err.Error(), "loading the plugin: ") {
		t.Errorf("got %v, expected an error", err)
	}
}
