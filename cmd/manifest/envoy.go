package manifest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	wasmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/wasm/v3"
	"google.golang.org/protobuf/encoding/protojson"
)

const wasmFilter = "envoy.extensions.filters.http.wasm.v3.Wasm"

// addEnvoy adds the Wasm filters of an Envoy configuration or EnvoyFilter, and reports whether there were any.
func (f *File) addEnvoy(value any, of *Plugin) bool {
	before := len(f.Plugins)
	forEachObject(value, func(object map[string]any) {
		kind, _ := object["@type"].(string)
		if strings.HasSuffix(kind, ".TypedStruct") { // of xds.type.v3 or udpa.type.v1
			kind, _ = object["type_url"].(string)
			object, _ = object["value"].(map[string]any)
		}
		if strings.HasSuffix(kind, "/"+wasmFilter) {
			p := *of
			p.readEnvoy(object)
			f.Plugins = append(f.Plugins, &p)
		}
	})
	return len(f.Plugins) > before
}

// addClusters adds the clusters of a bootstrap, unless a server adds more.
func (f *File) addClusters(bootstrap Resource) {
	dynamic := bootstrap.Object("dynamic_resources")
	static := bootstrap.Object("static_resources")
	if static == nil || dynamic["cds_config"] != nil || dynamic["ads_config"] != nil {
		return
	}
	f.Clusters = []string{}
	for _, cluster := range static.Objects("clusters") {
		if name := cluster.Text("name"); name != "" {
			f.Clusters = append(f.Clusters, name)
		}
	}
}

// readEnvoy reads a filter's PluginConfig.
func (p *Plugin) readEnvoy(filter Resource) {
	if err := checkFilter(filter); err != nil {
		p.refuse(err)
	}
	config := filter.Object("config")
	p.Name = strings.TrimPrefix(strings.TrimSpace(p.Name+", HTTP filter "+config.Text("name")), ", ")
	vm := config.Object("vm_config", "environment_variables")
	for _, name := range vm.Texts("host_env_keys") {
		p.Environment = append(p.Environment, Variable{Name: name, FromHost: true})
	}
	for name, value := range vm.Object("key_values") {
		p.Environment = append(p.Environment, Variable{Name: name, Value: fmt.Sprint(value)})
	}
	slices.SortFunc(p.Environment, func(a, b Variable) int { return strings.Compare(a.Name, b.Name) })
	if err := p.readPacked(config.Object("configuration")); err != nil {
		p.refuse(err)
	}
	if config.IsTrue("fail_open") || config.Text("failure_policy") == "FAIL_OPEN" {
		p.warn("the filter fails open: %s", failsOpen)
	}
}

// checkFilter parses the filter into its protobuf message, as Envoy does: types, allowed values, unknown fields.
func checkFilter(filter Resource) error {
	object := Resource{}
	for name, value := range filter {
		if name != "@type" {
			object[name] = value
		}
	}
	text, err := json.Marshal(object)
	if err != nil {
		return err
	}
	if err := protojson.Unmarshal(text, &wasmv3.Wasm{}); err != nil {
		return errors.New("invalid filter: " + protoError(err))
	}
	return nil
}

var (
	protoPrefix = regexp.MustCompile(`^proto:[\s\x{a0}]+(\(line \d+:\d+\): )?`)
	textValue   = regexp.MustCompile(`(invalid value for (?:string|bytes) (?:field|type)[^:]*): .*`)
)

// protoError omits the position in the intermediate JSON, and string values, which may be secret.
func protoError(err error) string {
	return textValue.ReplaceAllString(protoPrefix.ReplaceAllString(err.Error(), ""), "$1 (want a string)")
}

const wantText = "want a google.protobuf.StringValue, whose value is the JSON as text"

// readPacked reads the google.protobuf.Any with the plugin's configuration.
func (p *Plugin) readPacked(configuration Resource) (err error) {
	if len(configuration) == 0 {
		return nil
	}
	kind := configuration.Text("@type")
	text, isText := configuration["value"].(string)
	switch {
	case strings.HasSuffix(kind, "/google.protobuf.StringValue") && isText:
		p.Config = []byte(text)
	case strings.HasSuffix(kind, "/google.protobuf.BytesValue") && isText:
		p.Config, err = base64.StdEncoding.DecodeString(text)
	case strings.HasSuffix(kind, "/google.protobuf.Struct"):
		err = errors.New("invalid configuration of the filter: Envoy hands a google.protobuf.Struct over in protobuf's binary form, which is not JSON (" + wantText + ")")
	default:
		err = fmt.Errorf("invalid configuration of the filter: %q (%s)", kind, wantText)
	}
	return err
}

// forEachObject calls do for all objects in a value, the outer ones first.
func forEachObject(value any, do func(map[string]any)) {
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			forEachObject(element, do)
		}
	case map[string]any:
		do(value)
		names := make([]string, 0, len(value))
		for name := range value {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			forEachObject(value[name], do)
		}
	}
}
