package manifest

import (
	"encoding/json"
	"fmt"
)

// readEnvoyGateway reads the Wasm extensions of an EnvoyExtensionPolicy, each of which is a plugin. The control plane passes
// the configuration on unchanged.
func readEnvoyGateway(r Resource) (plugins []*Plugin) {
	extensions := r.Object("spec").Objects("wasm")
	for i, extension := range extensions {
		at := fmt.Sprintf("spec.wasm[%d]", i)
		p := &Plugin{Name: r.Title(), Gateway: EnvoyGateway, Resource: r}
		if len(extensions) > 1 {
			p.Name += ", " + at
		}
		if extension.IsTrue("failOpen") {
			p.warn("%s.failOpen is true: %s", at, failsOpen)
		}
		for _, name := range extension.Object("env").Texts("hostKeys") {
			p.Environment = append(p.Environment, Variable{Name: name, FromHost: true})
		}
		if config := extension["config"]; config != nil {
			data, err := json.Marshal(config)
			if err != nil {
				p.refuse(err)
			}
			p.Config = data
		}
		plugins = append(plugins, p)
	}
	if len(plugins) > 0 {
		plugins[0].refuse(checkDefinition(r)...)
	}
	return plugins
}
