package manifest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

const wasmFilter = "envoy.extensions.filters.http.wasm.v3.Wasm"

// addEnvoy adds the Wasm filters of Envoy's own configuration, and reports whether there was any.
func (f *File) addEnvoy(value any) bool {
	before := len(f.Plugins)
	forEachObject(value, func(object map[string]any) {
		kind, _ := object["@type"].(string)
		if strings.HasSuffix(kind, ".TypedStruct") { // of xds.type.v3 or udpa.type.v1
			kind, _ = object["type_url"].(string)
			object, _ = object["value"].(map[string]any)
		}
		if strings.HasSuffix(kind, "/"+wasmFilter) {
			f.Plugins = append(f.Plugins, readEnvoy(object))
		}
	})
	if len(f.Plugins) == before {
		return false
	}
	root, _ := value.(map[string]any)
	f.addClusters(root)
	return true
}

// addClusters adds the clusters of a bootstrap, unless it gets more of them from a server.
func (f *File) addClusters(bootstrap map[string]any) {
	static, _ := bootstrap["static_resources"].(map[string]any)
	dynamic, _ := bootstrap["dynamic_resources"].(map[string]any)
	if static == nil || dynamic["cds_config"] != nil || dynamic["ads_config"] != nil {
		return
	}
	clusters, _ := static["clusters"].([]any)
	f.Clusters = []string{}
	for _, entry := range clusters {
		cluster, _ := entry.(map[string]any)
		if name, _ := cluster["name"].(string); name != "" {
			f.Clusters = append(f.Clusters, name)
		}
	}
}

// readEnvoy reads the filter's PluginConfig.
func readEnvoy(filter map[string]any) *Plugin {
	var failure error
	config := section{at: wasmFilter, object: filter, failure: &failure}.child("config")
	config.at = "config"
	p := &Plugin{Name: strings.TrimSpace("HTTP filter " + config.text("name")), Gateway: Envoy}
	vm := config.child("vm_config").child("environment_variables")
	for _, name := range vm.texts("host_env_keys") {
		p.Environment = append(p.Environment, Variable{Name: name, FromHost: true})
	}
	for name, value := range vm.child("key_values").object {
		p.Environment = append(p.Environment, Variable{Name: name, Value: fmt.Sprint(value)})
	}
	slices.SortFunc(p.Environment, func(a, b Variable) int { return strings.Compare(a.Name, b.Name) })
	p.readPacked(config.child("configuration"))
	if config.boolean("fail_open") || config.text("failure_policy") == "FAIL_OPEN" {
		p.warn("the filter fails open: when the plugin can't be loaded, requests pass unchanged, with a token header that a client may have forged")
	}
	if p.Err == nil {
		p.Err = failure
	}
	return p
}

// readPacked reads an Any: a text, which the plugin gets as it is, or a Struct, which it gets as JSON.
func (p *Plugin) readPacked(configuration section) {
	kind := configuration.text("@type")
	value := configuration.object["value"]
	switch text, isText := value.(string); {
	case len(configuration.object) == 0:
	case strings.HasSuffix(kind, "/google.protobuf.StringValue") && isText:
		p.Config = []byte(text)
	case strings.HasSuffix(kind, "/google.protobuf.Struct") && value != nil:
		p.Config, p.Err = json.Marshal(value)
	default:
		p.Err = fmt.Errorf("invalid configuration of the filter: %q (want a google.protobuf.StringValue or a google.protobuf.Struct with its value)", kind)
	}
}

// forEachObject calls what for the value, if it is an object, and for all objects below it, in their order.
func forEachObject(value any, what func(map[string]any)) {
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			forEachObject(element, what)
		}
	case map[string]any:
		what(value)
		names := make([]string, 0, len(value))
		for name := range value {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			forEachObject(value[name], what)
		}
	}
}
