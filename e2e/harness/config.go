package harness

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed *.yaml.tmpl
var templateFiles embed.FS

// JSON is YAML too, so it quotes whatever a test puts into a file.
var templates = template.Must(template.New("").Funcs(template.FuncMap{"json": func(value any) (string, error) {
	data, err := json.Marshal(value)
	return string(data), err
}}).ParseFS(templateFiles, "*.yaml.tmpl"))

// cluster is what Envoy is told of a service; without a host it has no endpoint.
type cluster struct {
	Name  string
	Host  string
	Port  int
	HTTP2 bool // by prior knowledge, without TLS
	Limit int  // of its circuit breaker: requests, connections and those that wait for one, of all workers
	// Filters are those of its requests, for each attempt; nil: the router's.
	Filters []any
}

// HostName is for auto_host_rewrite: upstream.dns has upstream.dns.example.com.
func (c cluster) HostName() string { return c.Name[strings.LastIndex(c.Name, "|")+1:] + ".example.com" }

// noLimit is a circuit breaker that never opens.
const noLimit = 1_000_000

// files are what Envoy reads: the bootstrap once, the others again after every change.
type files struct {
	dir     string
	version int // of the last file written
}

func (f *files) bootstrap() string { return filepath.Join(f.dir, "bootstrap.yaml") }

// watched is the folder in which Envoy watches for new files.
func (f *files) watched() string  { return filepath.Join(f.dir, "xds") }
func (f *files) listener() string { return filepath.Join(f.watched(), "listener.yaml") }
func (f *files) clusters() string { return filepath.Join(f.watched(), "clusters.yaml") }
func (f *files) filter() string   { return filepath.Join(f.watched(), "filter.yaml") }

// write writes all files. The dynamic clusters are those that may change.
func (f *files) write(options Options, static, dynamic []cluster) error {
	if err := os.MkdirAll(f.watched(), 0o755); err != nil {
		return err
	}
	err := f.render("bootstrap", f.bootstrap(), map[string]any{
		"ListenerFile": f.listener(),
		"ClusterFile":  f.clusters(),
		"Dir":          f.watched(),
		"Clusters":     static,
	})
	if err != nil {
		return err
	}
	if err := f.writeClusters(dynamic); err != nil {
		return err
	}
	if options.ECDS {
		if err := f.writePlugin(options); err != nil {
			return err
		}
	}
	return f.writeFilter("listener", f.listener(), options)
}

// writePlugin replaces the file with the plugin's configuration.
func (f *files) writePlugin(options Options) error {
	if options.ECDS {
		return f.writeFilter("ecds", f.filter(), options)
	}
	return f.writeFilter("listener", f.listener(), options)
}

func (f *files) writeFilter(template, path string, options Options) error {
	plugin, err := options.plugin()
	if err != nil {
		return err
	}
	filterFile := ""
	if options.ECDS {
		filterFile = f.filter()
	}
	var upstreamFilters []any
	if options.Place == InRouter || options.Place == InBothChains {
		upstreamFilters = withCodec(map[string]any{"name": "token-fetch", "typed_config": plugin})
		if options.ECDS {
			upstreamFilters = withCodec(map[string]any{"name": "token-fetch", "config_discovery": map[string]any{
				"config_source": map[string]any{"path_config_source": map[string]any{
					"path": filterFile, "watched_directory": map[string]any{"path": f.watched()},
				}},
				"type_urls": []string{"type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"},
			}})
		}
	}
	return f.render(template, path, map[string]any{
		"Plugin":          plugin,
		"IsHTTPFilter":    options.Place == "" || options.Place == InBothChains,
		"UpstreamFilters": upstreamFilters,
		"StreamIdle":      fmt.Sprintf("%gs", options.StreamIdle.Seconds()),
		"VirtualHosts":    options.VirtualHosts,
		"IgnorePorts":     options.IgnorePorts,
		"Manager":         options.Manager,
		"FirstFilters":    options.FirstFilters,
		"Filters":         options.Filters,
		"Details":         detailsOf(options),
		"AccessLog":       options.AccessLog,
		"FilterFile":      filterFile,
		"Dir":             f.watched(),
	})
}

// plugin is the configuration of Envoy's Wasm filter.
func (o Options) plugin() (map[string]any, error) {
	configuration, err := configurationText(o.Config)
	environment := o.Env
	if environment == nil {
		environment = map[string]string{}
	}
	config := map[string]any{
		"name":    "token-fetch",
		"root_id": "token-fetch",
		"vm_config": map[string]any{
			"vm_id":                 o.VMID,
			"runtime":               "envoy.wasm.runtime.v8",
			"code":                  map[string]any{"local": map[string]any{"filename": o.Wasm}},
			"environment_variables": map[string]any{"key_values": environment, "host_env_keys": o.HostEnv},
		},
		"configuration": map[string]any{"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration},
	}
	if policy := o.failurePolicy(); policy != "" {
		config["failure_policy"] = policy
	}
	return map[string]any{"@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", "config": config}, err
}

// withCodec are upstream filters, of which the last must be the codec.
func withCodec(plugin map[string]any) []any {
	const codec = "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"
	return []any{
		plugin,
		map[string]any{"name": "envoy.filters.http.upstream_codec", "typed_config": map[string]any{"@type": codec}},
	}
}

// detailsOf is the header for the details, empty for none.
func detailsOf(options Options) string {
	if options.Details {
		return DetailsHeader
	}
	return ""
}

func (f *files) writeClusters(clusters []cluster) error {
	return f.render("cds", f.clusters(), map[string]any{"Clusters": clusters})
}

// render replaces a file by a rename, which is what Envoy watches for.
func (f *files) render(template, path string, data map[string]any) error {
	f.version++
	data["Version"] = fmt.Sprint(f.version)
	var buffer bytes.Buffer
	if err := templates.ExecuteTemplate(&buffer, template+".yaml.tmpl", data); err != nil {
		return err
	}
	next := filepath.Join(f.dir, "next.yaml")
	if err := os.WriteFile(next, buffer.Bytes(), 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// failurePolicy is empty for Envoy's default, which is to fail closed.
func (o Options) failurePolicy() string {
	switch {
	case o.FailOpen:
		return "FAIL_OPEN"
	case o.FailReload:
		return "FAIL_RELOAD"
	default:
		return ""
	}
}

// configurationText returns a string unchanged, so that a test can send invalid JSON.
func configurationText(config any) (string, error) {
	switch config := config.(type) {
	case nil:
		return "", nil
	case string:
		return config, nil
	case []byte:
		return string(config), nil
	}
	data, err := json.Marshal(config)
	return string(data), err
}
