package gateways_test

import (
	"encoding/json"
	"strings"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4" // the API server's own

	"token-fetch/e2e/gateways/commands"
)

// Whoever follows a file loses nothing that he has: its commands add to resources, or fail.
func TestCommandsOnlyAdd(t *testing.T) {
	tests := []struct{ name, file, kind, resource, want string }{
		{"first service source", "higress.yaml", "mcpbridge", `{"spec": {"registries": []}}`, `{"spec": {"registries": [$ADDED]}}`},
		{"one more service source", "higress.yaml", "mcpbridge", `{"spec": {"registries": [{"name": "nacos"}]}}`, `{"spec": {"registries": [{"name": "nacos"}, $ADDED]}}`},
		{
			"a Gateway with listeners", "envoy-gateway.yaml", "gateway",
			`{"spec": {"listeners": [{"name": "https"}]}}`, `{"spec": {"listeners": [{"name": "https"}], "infrastructure": $ADDED}}`,
		},
		{
			"a Gateway with an EnvoyProxy of its own", "envoy-gateway.yaml", "gateway",
			`{"spec": {"infrastructure": {"parametersRef": {"name": "mine"}}}}`, "",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			command := commands.In(t, test.file, commands.Patch)[0]
			if command[1] != test.kind {
				t.Fatalf("got a command for a %s, expected a %s", command[1], test.kind)
			}
			patch, err := jsonpatch.DecodePatch([]byte(command[2]))
			if err != nil {
				t.Fatal(err)
			}
			got, err := patch.Apply([]byte(test.resource))
			if test.want == "" {
				if err == nil {
					t.Errorf("got %s, expected an error, as the Gateway has an EnvoyProxy", got)
				}
				return
			}
			var operations []struct{ Value json.RawMessage }
			if err := json.Unmarshal([]byte(command[2]), &operations); err != nil {
				t.Fatal(err)
			}
			want := strings.ReplaceAll(test.want, "$ADDED", string(operations[len(operations)-1].Value))
			if err != nil || !jsonpatch.Equal(got, []byte(want)) {
				t.Errorf("got %s (%v), expected %s", got, err, want)
			}
		})
	}
}

// What the commands make is what the definitions allow.
func TestCommandsMakeWhatTheDefinitionsAllow(t *testing.T) {
	bridge := commands.In(t, "higress.yaml", commands.Create)[0][1]
	patch, err := jsonpatch.DecodePatch([]byte(commands.In(t, "higress.yaml", commands.Patch)[0][2]))
	if err != nil {
		t.Fatal(err)
	}
	data, err := patch.Apply([]byte(bridge))
	if err != nil {
		t.Fatal(err)
	}
	var resource map[string]any
	if err := json.Unmarshal(data, &resource); err != nil {
		t.Fatal(err)
	}
	if err := check(published(t), resource); err != nil {
		t.Error(err)
	}
}

// What a cluster has from its quickstart, and what people have changed in it, is not in a file that they apply.
func TestManifestsLeaveWhatQuickstartsMake(t *testing.T) {
	for _, file := range manifests {
		for _, resource := range resources(t, file) {
			switch kind := resource["kind"]; kind {
			case "McpBridge", "Gateway", "GatewayClass", "Namespace", "ConfigMap":
				t.Errorf("%s: got a %s, expected only resources of token-fetch's own", file, kind)
			}
		}
	}
}
