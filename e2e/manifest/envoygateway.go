package manifest

import (
	"encoding/json"
	"fmt"
)

const envoyGatewayFields = "name rootID code config failOpen env"

// readEnvoyGateway reads the Wasm extensions of an EnvoyExtensionPolicy, each of which is a plugin. The configuration
// is handed over as it is.
func readEnvoyGateway(r resource) []*Plugin {
	var failure error
	object, _ := r["spec"].(map[string]any)
	spec := section{at: "spec", object: object, failure: &failure}
	var plugins []*Plugin
	for i, extension := range spec.sections("wasm") {
		p := &Plugin{Name: r.name(), Gateway: EnvoyGateway}
		if i > 0 || len(field[[]any](spec, "wasm", "")) > 1 {
			p.Name += fmt.Sprintf(", %s", extension.at)
		}
		p.warnOfUnknown(extension.at+".", extension.object, envoyGatewayFields)
		if extension.boolean("failOpen") {
			p.warn("%s.failOpen is true: when the plugin can't be loaded, requests pass unchanged, with a token header that a client may have forged", extension.at)
		}
		for _, name := range extension.child("env").texts("hostKeys") {
			p.Environment = append(p.Environment, Variable{Name: name, FromHost: true})
		}
		if config := extension.object["config"]; config != nil {
			p.Config, p.Err = json.Marshal(config)
		}
		plugins = append(plugins, p)
	}
	if failure != nil {
		return []*Plugin{{Name: r.name(), Gateway: EnvoyGateway, Err: failure}}
	}
	return plugins
}
