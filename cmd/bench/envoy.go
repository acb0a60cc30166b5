package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"

	"token-fetch/e2e/envoy"
)

//go:embed config
var configs embed.FS

// Modules besides those of plugins/: the plugin, the build that it is compared with, and the guide's example. Make has built
// all of them.
const (
	pluginModule  = "main"
	oldModule     = "old"
	exampleModule = "my-plugin"
)

func (b *bench) modulePath(name string) string {
	switch name {
	case pluginModule:
		return filepath.Join(b.root, "main.wasm")
	case oldModule:
		return b.against
	case exampleModule:
		return filepath.Join(b.root, "examples", exampleModule, "main.wasm")
	}
	return filepath.Join(b.root, "build", "bench-"+name+".wasm")
}

// startBackend starts the Envoy that plays token service and upstream. It uses direct_response, whose cost is low and
// constant.
func (b *bench) startBackend(ctx context.Context) (err error) {
	oauth := func(lifetime int) string {
		return fmt.Sprintf(`{"access_token":%q,"token_type":"Bearer","expires_in":%d}`, oauthToken, lifetime)
	}
	b.backend, err = b.start(ctx, 1, "backend", map[string]any{
		"Token": token, "OAuth": oauth(3600), "Once": oauth(0), "JWT": identityToken(),
	})
	return err
}

// stage is the measured Envoy in front of the backend, with a listener for each candidate.
type stage struct {
	*envoy.Process
	ready time.Duration // time from the start of the process until it was live
}

func (b *bench) stage(ctx context.Context, all []candidate, workers int) (*stage, error) {
	address, err := b.backend.ListenerAddress("backend")
	if err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(address, ":")
	type listener struct {
		candidate
		Config, Module, Filter string
	}
	type cluster struct{ Name, Stat, Port string }
	clusters := []cluster{{Name: clusterName("upstream.static"), Stat: "upstream", Port: port}}
	var listeners []listener
	for _, c := range all {
		config, err := c.Config()
		l := listener{candidate: c, Config: config, Module: b.modulePath(c.module)}
		if err == nil && c.filter != "" {
			l.Filter, err = render("filters/"+c.filter+".yaml", l)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
		listeners = append(listeners, l)
		if c.calls {
			clusters = append(clusters, cluster{Name: c.Cluster(), Stat: c.Slug(), Port: port})
		}
	}
	start := time.Now()
	process, err := b.start(ctx, workers, "measured", map[string]any{"Candidates": listeners, "Clusters": clusters})
	return &stage{Process: process, ready: time.Since(start)}, err
}

// start starts an Envoy. Wasm logs at the level of a gateway in production: messages below it are not written, even if the
// plugin formats them.
func (b *bench) start(ctx context.Context, workers int, name string, data any) (*envoy.Process, error) {
	text, err := render(name+".yaml.tmpl", data)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(b.dir, name+".yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	// V8 compiles two dozen modules.
	const limit = 5 * time.Minute
	return envoy.StartContext(ctx, envoy.Options{Binary: b.envoy, Config: path, Concurrency: workers, WasmLog: "warn", Ready: limit})
}

func render(path string, data any) (string, error) {
	parsed, err := template.New(filepath.Base(path)).Funcs(template.FuncMap{
		"json": func(value any) (string, error) { // which is valid YAML
			text, err := json.Marshal(value)
			return string(text), err
		},
		"indent": func(columns int, text string) string {
			prefix := strings.Repeat(" ", columns)
			return prefix + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+prefix)
		},
	}).ParseFS(configs, "config/"+path)
	if err != nil {
		return "", err
	}
	var text bytes.Buffer
	err = parsed.Execute(&text, data)
	return text.String(), err
}

// explain adds the end of Envoy's log to an error.
func (s *stage) explain(err error) error {
	if err == nil || s.LogTail(1) == "" {
		return err
	}
	return fmt.Errorf("%w; the last lines of Envoy's log:\n%s", err, s.LogTail(10))
}

func (s *stage) loader(c candidate, connections int) (*loader, error) {
	address, err := s.ListenerAddress(c.Slug())
	if err != nil {
		return nil, err
	}
	return newLoader(address, connections, c.requestHeaders)
}

// verify checks that the upstream gets the candidate's header. A filter that fetches its token in the background may need a
// moment.
func (s *stage) verify(ctx context.Context, c candidate) error {
	address, err := s.ListenerAddress(c.Slug())
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/echo", nil)
	if err != nil {
		return err
	}
	request.Host = requestHost
	for _, header := range c.requestHeaders(0) {
		request.Header.Set(header[0], header[1])
	}
	name, value, _ := strings.Cut(c.Wants, ": ")
	for deadline := time.Now().Add(5 * time.Second); ; pause(ctx, 50*time.Millisecond) {
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		response.Body.Close()
		got := response.Header.Get("echo-" + name)
		if response.StatusCode == http.StatusOK && got == value {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not work: answered by %s, and the upstream got %s %q instead of %q", c.Name, response.Status, name, got, value)
		}
	}
}

// countCalls reads the number of token calls from Envoy's counters.
func (b *bench) countCalls(s *stage, c candidate) error {
	text, err := s.Get("/stats?filter=" + c.Slug())
	tokenCalls := counter(text, "cluster."+c.Slug()+".upstream_rq_total")
	b.results.add(c.Name, calls, tokenCalls/counter(text, "http."+c.Slug()+".downstream_rq_total"))
	return err
}

// counter reads a counter from /stats, which omits those that were never used.
func counter(text, name string) float64 {
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, name+": "); found {
			count, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return count
		}
	}
	return 0
}
