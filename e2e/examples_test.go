package e2e

import (
	"path/filepath"
	"testing"

	"token-fetch/e2e/harness"
)

// The plugins of examples/ that need nothing of Higress, as make examples has built them.
func TestExamples(t *testing.T) {
	t.Parallel()
	harness.NeedEnvoy(t, 38, "a plugin that is only linked imports path_filestat_get, and tools/postlink is for main.wasm")
	tests := map[string]struct {
		plugin   string
		config   map[string]any
		header   string // of the request at the upstream; a client has forged it
		answered bool   // by the plugin
	}{
		"hello-world":          {plugin: "hello-world", config: map[string]any{}, answered: true},
		"my-plugin":            {plugin: "my-plugin", config: map[string]any{}, header: "world"},
		"my-plugin, no mock":   {plugin: "my-plugin", config: map[string]any{"mockEnable": false}, header: "world"},
		"my-plugin that mocks": {plugin: "my-plugin", config: map[string]any{"mockEnable": true}, answered: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gateway := harness.Start(t, harness.Options{Wasm: filepath.Join("..", "examples", tt.plugin, "main.wasm"), Config: tt.config})
			answer := gateway.Get(t, "/", "hello: forged")
			requests := gateway.Upstream.Requests()
			switch {
			case tt.answered && (answer.Status != 200 || answer.Body != "hello world" || len(requests) > 0):
				t.Errorf("got %d %q and %d requests at the upstream, expected 200 hello world and none", answer.Status, answer.Body, len(requests))
			case !tt.answered && (answer.Status != 200 || len(requests) != 1):
				t.Errorf("got %d and %d requests at the upstream, expected 200 and 1", answer.Status, len(requests))
			case !tt.answered:
				if got := requests[0].Header.Values("hello"); len(got) != 1 || got[0] != tt.header {
					t.Errorf("got the header hello %q at the upstream, expected %q", got, tt.header)
				}
			}
		})
	}
}
