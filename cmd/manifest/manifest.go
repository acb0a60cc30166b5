// Package manifest reads files in which the plugin is configured, and makes of each configuration what the gateway's
// control plane hands over to the plugin.
//
// It knows WasmPlugin of Higress and of Istio, Istio's TrafficExtension and EnvoyFilter, EnvoyExtensionPolicy of Envoy
// Gateway, Envoy's own configuration, and the plugin's own YAML or JSON. What the API server refuses is told by package
// definitions, what Envoy refuses by Envoy's own messages. The conversions are those of the control planes: Higress'
// pkg/ingress/config/ingress_config.go (convertIstioWasmPlugin) and ingress_template.go, Istio's
// pilot/pkg/model/extensions.go, Envoy Gateway's internal/xds/translator/wasm.go.
package manifest

import (
	"fmt"
	"strings"
)

const trafficExtension = "TrafficExtension"

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
	// Resources are all of Kubernetes in the file, those of the plugins included.
	Resources []Resource
	Refused   []Refused // of other kinds
	Ignored   []string  // resources of which nothing is known, each with its name
	// Clusters are the names of those in an Envoy's own configuration; nil when it gets clusters from elsewhere.
	Clusters []string
}

// Refused is a resource that does not configure the plugin, and that the API server does not take.
type Refused struct {
	Resource Resource
	Errs     []error
}

// Plugin is one configuration of the plugin.
type Plugin struct {
	Name     string // of the resource, such as "WasmPlugin higress-system/token-fetch"; empty for the plugin's own
	Gateway  Gateway
	Resource Resource // nil where it is none of Kubernetes
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
	Errs        []error    // why the control plane does not take it
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
	if len(file.Plugins) == 0 && len(file.Resources) > 0 {
		var titles []string
		for _, r := range file.Resources {
			titles = append(titles, r.Title())
		}
		return nil, fmt.Errorf("nothing in the file configures the plugin (want WasmPlugin, TrafficExtension, EnvoyFilter, or EnvoyExtensionPolicy with wasm), only %s", strings.Join(titles, ", "))
	}
	if len(file.Plugins) == 0 {
		file.Plugins = append(file.Plugins, &Plugin{}) // an empty file is an empty configuration
	}
	return file, nil
}

// add adds what a document has; it may be the plugin's own configuration when it is the only one.
func (f *File) add(d document, isOnly bool) error {
	root, isObject := d.value.(map[string]any)
	r := Resource(root)
	switch {
	case r.Text("apiVersion") != "" && strings.HasSuffix(r.Text("kind"), "List"):
		items, _ := root["items"].([]any)
		for _, item := range items {
			if err := f.add(document{value: item, line: d.line}, false); err != nil {
				return err
			}
		}
		return nil
	case r.Text("apiVersion") != "" && r.Text("kind") != "", r.Text("kind") == "WasmPlugin":
		f.Resources = append(f.Resources, r)
		return f.addResource(r, d.line)
	case f.addEnvoy(d.value, &Plugin{Gateway: Envoy}):
		f.addClusters(r)
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

const wantVersion = "want extensions.higress.io/v1alpha1, extensions.istio.io/v1alpha1 or gateway.envoyproxy.io/v1alpha1"

// addResource adds what configures the plugin; of other resources, whether the API server takes them.
func (f *File) addResource(r Resource, line int) error {
	kind := r.Text("kind")
	p := &Plugin{Name: r.Title(), Resource: r}
	switch {
	case r.Is("extensions.higress.io", kind) && kind == "WasmPlugin":
		p.Gateway = Higress
		p.refuse(checkDefinition(r)...)
		p.readHigress()
		f.Plugins = append(f.Plugins, p)
	case r.Is("extensions.istio.io", kind) && (kind == "WasmPlugin" || kind == trafficExtension && r.Object("spec", "wasm") != nil):
		p.Gateway = Istio
		p.refuse(checkDefinition(r)...)
		p.readIstio()
		f.Plugins = append(f.Plugins, p)
	case r.Is("networking.istio.io", "EnvoyFilter") && f.addEnvoy(map[string]any(r.Object("spec")), &Plugin{Name: r.Title(), Gateway: Istio, Resource: r, Errs: checkDefinition(r)}):
	case r.Is("gateway.envoyproxy.io", "EnvoyExtensionPolicy") && len(r.Object("spec").Objects("wasm")) > 0:
		f.Plugins = append(f.Plugins, readEnvoyGateway(r)...)
	case kind == "WasmPlugin" || kind == "EnvoyExtensionPolicy" && !r.Is("gateway.envoyproxy.io", kind):
		return fmt.Errorf("line %d: invalid apiVersion of %s: %q (%s)", line, kind, r.Text("apiVersion"), wantVersion)
	default:
		f.Ignored = append(f.Ignored, r.Title())
		if errs := checkDefinition(r); len(errs) > 0 {
			f.Refused = append(f.Refused, Refused{r, errs})
		}
	}
	return nil
}
