package definitions

import (
	"strings"
	"testing"
)

func TestFindings(t *testing.T) {
	const istio = `{"apiVersion": "extensions.istio.io/v1alpha1", "kind": "WasmPlugin", "metadata": {"name": "a"}, "spec": {"url": "oci://a/b:1", `
	tests := map[string]struct{ resource, want string }{
		"nothing":               {istio + `"phase": "AUTHN", "priority": 10, "pluginConfig": {"free": true}}}`, ""},
		"a type":                {istio + `"priority": "10"}}`, "spec.priority: invalid spec.priority: a string (want an integer, without quotes)"},
		"a type, not quotes":    {istio + `"match": "x"}}`, "spec.match: invalid spec.match: a string (want a list)"},
		"a value":               {istio + `"phase": "authn"}}`, `spec.phase: invalid spec.phase: "authn" (want UNSPECIFIED_PHASE, AUTHN, AUTHZ, STATS)`},
		"what must be there":    {strings.Replace(istio, `"url": "oci://a/b:1", `, "", 1) + `"phase": "AUTHN"}}`, "spec.url: missing spec.url"},
		"a slip":                {istio + `"failstrategy": "FAIL_CLOSE"}}`, "spec.failstrategy: unknown field spec.failstrategy of extensions.istio.io/v1alpha1 WasmPlugin (did you mean spec.failStrategy?)"},
		"another's field":       {istio + `"matchRules": []}}`, "spec.matchRules: unknown field spec.matchRules of extensions.istio.io/v1alpha1 WasmPlugin (it is one of extensions.higress.io/v1alpha1 WasmPlugin)"},
		"deeper":                {istio + `"vmConfig": {"env": [{"name": "A", "valuFrom": "HOST"}]}}}`, "spec.vmConfig.env[0].valuFrom: unknown field spec.vmConfig.env[0].valuFrom of extensions.istio.io/v1alpha1 WasmPlugin (did you mean spec.vmConfig.env[0].valueFrom?)"},
		"at the top":            {strings.Replace(istio, `"kind"`, `"kin": 1, "kind"`, 1) + `"phase": "AUTHN"}}`, "kin: unknown field kin of extensions.istio.io/v1alpha1 WasmPlugin (want spec, status)"},
		"a rule in CEL":         {istio + `"targetRefs": [{"kind": "Gateway", "name": "a"}], "selector": {"matchLabels": {"a": "b"}}}}`, "spec: invalid spec: only one of targetRefs or selector can be set"},
		"a number for a secret": {istio + `"vmConfig": {"env": [{"name": "A", "value": 31337}]}}}`, "spec.vmConfig.env[0].value: invalid spec.vmConfig.env[0].value: an integer (want a string)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			resources, err := Read([]byte(test.resource))
			if err != nil {
				t.Fatal(err)
			}
			findings, isKnown, err := Known().Check(resources[0])
			if !isKnown || err != nil {
				t.Fatalf("known: %v, %v", isKnown, err)
			}
			var got []string
			for _, f := range findings {
				got = append(got, f.Field+": "+f.Text)
			}
			if strings.Join(got, "\n") != test.want {
				t.Errorf("got      %q\nexpected %q", got, test.want)
			}
		})
	}
}

func TestOtherKindsAreNotKnown(t *testing.T) {
	if _, isKnown, err := Known().Check(map[string]any{"apiVersion": "v1", "kind": "Secret"}); isKnown || err != nil {
		t.Errorf("got known: %v, %v", isKnown, err)
	}
}
