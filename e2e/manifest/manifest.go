// Package manifest reads files in which the plugin is configured, and makes of each configuration what the gateway's
// control plane hands over to the plugin.
//
// It knows WasmPlugin of Higress and of Istio, EnvoyExtensionPolicy of Envoy Gateway, Envoy's own configuration, and
// the plugin's own YAML or JSON. The conversions are those of the control planes: Higress'
// pkg/ingress/config/ingress_config.go (convertIstioWasmPlugin) and ingress_template.go, Istio's
// pilot/pkg/model/extensions.go, Envoy Gateway's internal/xds/translator/wasm.go.
package manifest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Gateway is whose control plane reads a configuration.
type Gateway string

// The gateways whose manifests are known.
const (
	AnyGateway   Gateway = "" // of the plugin's own configuration, which any of them may get
	Higress      Gateway = "Higress"
	Istio        Gateway = "Istio"
	EnvoyGateway Gateway = "Envoy Gateway"
	Envoy        Gateway = "Envoy"
)

// File is what a file has of the plugin.
type File struct {
	Plugins []*Plugin
	Ignored []string // resources of other kinds, each with its name
	// Clusters are the names of those in an Envoy's own configuration; nil when it gets clusters from elsewhere.
	Clusters []string
}

// Plugin is one configuration of the plugin.
type Plugin struct {
	Name    string // of the resource, such as "WasmPlugin higress-system/token-fetch"; empty for the plugin's own
	Gateway Gateway
	// Config is the JSON that the plugin gets, with the control plane's placeholders still in it. It is empty
	// when the plugin gets none.
	Config []byte
	// Absent: the control plane configures no plugin at all.
	Absent bool
	// Rules are where the rules of Config stand in the manifest; nil where they stand in Config itself.
	Rules       []string
	Environment []Variable // of the VM; what a manifest says, not what the plugin wants
	Secrets     []string   // the placeholders that the control plane replaces, such as ${secret.default/idp.key}
	Warnings    []string   // what the control plane does that the author may not have meant
	// Err is why the control plane does not take it.
	Err error
}

// Variable is one of the VM's environment.
type Variable struct {
	Name  string
	Value string
	// FromHost: it is the gateway's own variable of that name, whose value the manifest does not know.
	FromHost bool
}

func (p *Plugin) warn(format string, args ...any) {
	p.Warnings = append(p.Warnings, fmt.Sprintf(format, args...))
}

// MaxBytes is how large a file may be; Kubernetes stores none above 1.5 MiB.
const MaxBytes = 4 << 20

// Read reads a file: documents of YAML, or JSON.
func Read(data []byte) (*File, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("the file is too large (want at most %d MiB)", MaxBytes>>20)
	}
	documents, err := readDocuments(data)
	if err != nil {
		return nil, err
	}
	file := &File{}
	for _, d := range documents {
		if err := file.add(d, len(documents) == 1); err != nil {
			return nil, err
		}
	}
	if len(file.Plugins) == 0 && len(file.Ignored) > 0 {
		return nil, fmt.Errorf("there is no WasmPlugin and no EnvoyExtensionPolicy with wasm in the file, only %s", strings.Join(file.Ignored, ", "))
	}
	if len(file.Plugins) == 0 {
		file.Plugins = append(file.Plugins, &Plugin{}) // an empty file is an empty configuration
	}
	return file, nil
}

// add adds what a document has; it may be the plugin's own configuration when it is the only one.
func (f *File) add(d document, isOnly bool) error {
	root, isObject := d.value.(map[string]any)
	apiVersion, _ := root["apiVersion"].(string)
	kind, _ := root["kind"].(string)
	group, _, _ := strings.Cut(apiVersion, "/")
	switch {
	case apiVersion != "" && strings.HasSuffix(kind, "List"):
		items, _ := root["items"].([]any)
		for _, item := range items {
			if err := f.add(document{value: item, line: d.line}, false); err != nil {
				return err
			}
		}
	case kind == "WasmPlugin" && group == "extensions.higress.io":
		f.Plugins = append(f.Plugins, readHigress(resource(root)))
	case kind == "WasmPlugin" && group == "extensions.istio.io":
		f.Plugins = append(f.Plugins, readIstio(resource(root)))
	case kind == "EnvoyExtensionPolicy" && group == "gateway.envoyproxy.io":
		found := readEnvoyGateway(resource(root))
		if len(found) == 0 {
			f.Ignored = append(f.Ignored, resource(root).name()+", which has no wasm")
		}
		f.Plugins = append(f.Plugins, found...)
	case kind == "WasmPlugin" || kind == "EnvoyExtensionPolicy":
		return fmt.Errorf("line %d: invalid apiVersion of %s: %q (want extensions.higress.io/v1alpha1, extensions.istio.io/v1alpha1 or gateway.envoyproxy.io/v1alpha1)",
			d.line, kind, apiVersion)
	case apiVersion != "" && kind != "":
		f.Ignored = append(f.Ignored, resource(root).name())
	case f.addEnvoy(d.value):
	case root["static_resources"] != nil || root["http_filters"] != nil:
		return fmt.Errorf("line %d: there is no Wasm filter in Envoy's configuration", d.line)
	case isOnly:
		f.Plugins = append(f.Plugins, &Plugin{Config: d.json, Secrets: placeholders(d.json)})
	case !isObject:
		return fmt.Errorf("line %d: the document is not an object", d.line)
	default:
		return fmt.Errorf("line %d: the document has no apiVersion and kind", d.line)
	}
	return nil
}

// resource is a Kubernetes resource.
type resource map[string]any

// name is its kind, namespace and name.
func (r resource) name() string {
	kind, _ := r["kind"].(string)
	metadata, _ := r["metadata"].(map[string]any)
	var parts []string
	for _, key := range []string{"namespace", "name"} {
		if text, _ := metadata[key].(string); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.TrimSpace(kind + " " + strings.Join(parts, "/"))
}

// warnOfUnknown warns of fields that the API server prunes, as its CRD does not know them.
func (p *Plugin) warnOfUnknown(at string, object map[string]any, known string) {
	var unknown []string
	for name := range object {
		if !slices.Contains(strings.Fields(known), name) {
			unknown = append(unknown, at+name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		p.warn("%s is no field of %s's resource: kubectl refuses it, or the API server drops it", name, p.Gateway)
	}
}

var errNoSpec = errors.New("missing spec")
