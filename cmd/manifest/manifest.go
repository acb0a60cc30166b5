// Package manifest reads files that configure the plugin, and converts each configuration to the JSON that the gateway's
// control plane passes to the plugin.
//
//	Read ──▶ documents.go        YAML or JSON, split into documents
//	  └────▶ wasmplugin.go       WasmPlugin of Higress and Istio, Istio's TrafficExtension
//	         envoygateway.go     EnvoyExtensionPolicy of Envoy Gateway
//	         envoy.go            Envoy's own configuration, and Istio's EnvoyFilter, checked by Envoy's protobuf messages
//	         placeholder.go      ${secret.…}, which Higress' control plane replaces
//	         cmd/definitions     what the API server would reject
//
// Anything else is the plugin's own configuration. The conversions are those of the control planes: Higress'
// pkg/ingress/config/ingress_config.go (convertIstioWasmPlugin) and ingress_template.go, Istio's
// pilot/pkg/model/extensions.go, Envoy Gateway's internal/xds/translator/wasm.go.
package manifest

import (
	"fmt"
	"strings"
)

const trafficExtension = "TrafficExtension"

// Gateway says whose control plane reads a configuration.
type Gateway string

// The gateways whose manifests are known.
const (
	AnyGateway   Gateway = "" // of the plugin's own configuration, which may go to any of them
	Higress      Gateway = "Higress"
	Istio        Gateway = "Istio"
	EnvoyGateway Gateway = "Envoy Gateway"
	Envoy        Gateway = "Envoy"
)

// File is the content of a file.
type File struct {
	Plugins []*Plugin
	// Resources are all Kubernetes resources in the file, including those of the plugins.
	Resources []Resource
	Refused   []Refused // resources of other kinds
	Ignored   []string  // titles of resources that do not configure the plugin
	// Clusters are the names of the clusters in Envoy's own configuration; nil if it also gets clusters from a server.
	Clusters []string
}

// Refused is a resource that does not configure the plugin and that the API server rejects.
type Refused struct {
	Resource Resource
	Errs     []error
}

// Plugin is one configuration of the plugin.
type Plugin struct {
	Name     string // of the resource, such as "WasmPlugin higress-system/token-fetch"; empty for the plugin's own
	Gateway  Gateway
	Resource Resource // nil if it is not a Kubernetes resource
	// Config is the JSON that the plugin gets, with the control plane's placeholders still in it. It is empty if the
	// plugin gets none.
	Config []byte
	// Absent: the control plane does not configure the plugin at all.
	Absent bool
	// Rules are the paths in the manifest of the rules in Config; nil if Config itself has them.
	Rules       []string
	Environment []Variable // that the manifest passes to the VM
	Secrets     []string   // placeholders that the control plane replaces, such as ${secret.default/idp.key}
	Warnings    []string   // what the control plane does but the author may not have intended
	Errs        []error    // why the control plane rejects it
}

// Variable is an environment variable of the VM.
type Variable struct {
	Name  string
	Value string
	// FromHost: the value is that of the gateway's own variable, which the manifest does not contain.
	FromHost bool
}

func (p *Plugin) warn(format string, args ...any) {
	p.Warnings = append(p.Warnings, fmt.Sprintf(format, args...))
}

// MaxBytes limits the size of a file. Kubernetes stores nothing larger than 1.5 MiB.
const MaxBytes = 4 << 20

// Read reads a file of YAML documents or JSON.
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

// add adds a document. It can only be the plugin's own configuration if it is the only one.
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

// addResource adds a plugin or, for other resources, the reasons why the API server would reject them.
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
