package harness

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

//go:embed bootstrap.yaml.tmpl
var bootstrapText string

//go:embed listener.yaml.tmpl
var listenerText string

// JSON is YAML too, so it quotes whatever a test puts into a file.
var templateFunctions = template.FuncMap{"json": func(value any) (string, error) {
	data, err := json.Marshal(value)
	return string(data), err
}}

var (
	bootstrapTemplate = template.Must(template.New("bootstrap").Funcs(templateFunctions).Parse(bootstrapText))
	listenerTemplate  = template.Must(template.New("listener").Funcs(templateFunctions).Parse(listenerText))
)

// cluster is one entry of the bootstrap file; without a host it has no endpoint.
type cluster struct {
	Name string
	Host string
	Port int
}

// files are what Envoy reads: the bootstrap once, the listener again after every change.
type files struct {
	dir string
}

func (f files) bootstrap() string   { return filepath.Join(f.dir, "bootstrap.yaml") }
func (f files) listenerDir() string { return filepath.Join(f.dir, "lds") }
func (f files) listener() string    { return filepath.Join(f.listenerDir(), "listener.yaml") }

func (f files) writeBootstrap(clusters []cluster) error {
	if err := os.MkdirAll(f.listenerDir(), 0o755); err != nil {
		return err
	}
	return render(bootstrapTemplate, f.bootstrap(), map[string]any{
		"ListenerFile": f.listener(),
		"ListenerDir":  f.listenerDir(),
		"Clusters":     clusters,
	})
}

// writeListener replaces the listener's file by a rename, which is what Envoy watches for.
func (f files) writeListener(options Options, version int) error {
	configuration, err := configurationText(options.Config)
	if err != nil {
		return err
	}
	environment := options.Env
	if environment == nil {
		environment = map[string]string{}
	}
	next := filepath.Join(f.dir, "listener.next.yaml")
	err = render(listenerTemplate, next, map[string]any{
		"Version":       fmt.Sprint(version),
		"Configuration": configuration,
		"Env":           environment,
		"FailurePolicy": options.failurePolicy(),
		"StreamIdle":    fmt.Sprintf("%gs", options.StreamIdle.Seconds()),
		"VMID":          options.VMID,
		"Wasm":          options.Wasm,
	})
	if err != nil {
		return err
	}
	return os.Rename(next, f.listener())
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

func render(text *template.Template, path string, data any) error {
	var buffer bytes.Buffer
	if err := text.Execute(&buffer, data); err != nil {
		return err
	}
	return os.WriteFile(path, buffer.Bytes(), 0o600)
}

// configurationText passes a string on unchanged, so that a test can send what is not JSON.
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
