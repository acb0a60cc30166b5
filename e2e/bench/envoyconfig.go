package bench

import (
	"bytes"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"
)

//go:embed config
var configs embed.FS

// What the token service answers.
const (
	token      = "benchmark-token-0123456789abcdef"
	oauthToken = "benchmark-oauth-0123456789abcdef"
)

// jwt is an identity token as a metadata server gives it, unsigned and valid for
// long: gcp_authn caches only what it can read as one.
func jwt() string {
	return encodeJWT(`{"aud":"http://upstream.static","exp":4102444800,"iat":1700000000,"iss":"benchmark"}`, []byte("not a signature"))
}

func encodeJWT(claims string, signature []byte) string {
	encode := base64.RawURLEncoding.EncodeToString
	header := encode([]byte(`{"alg":"RS256","typ":"JWT"}`))
	return header + "." + encode([]byte(claims)) + "." + encode(signature)
}

// listener is what the templates know of a candidate.
type listener struct {
	candidate
	Config string // plugin configuration
	Module string // path of the Wasm file
	Filter string // rendered
}

type cluster struct {
	Name, Stat string
	Port       string
}

// backendConfig writes the configuration of token service and upstream.
func backendConfig(dir string, delay time.Duration) (string, error) {
	oauth, err := json.Marshal(map[string]any{"access_token": oauthToken, "token_type": "Bearer", "expires_in": 3600})
	if err != nil {
		return "", err
	}
	return writeConfig(dir, "backend", map[string]any{
		"Token": token, "OAuth": string(oauth), "JWT": jwt(), "Delay": fmt.Sprintf("%gs", delay.Seconds()),
	})
}

// measuredConfig writes the configuration of the Envoy under test, whose token
// service and upstream listen on the given ports.
func measuredConfig(dir string, candidates []candidate, modules modules, tokenPort, upstreamPort string) (string, error) {
	clusters := []cluster{{Name: clusterName("upstream.static"), Stat: "upstream", Port: upstreamPort}}
	var listeners []listener
	for _, c := range candidates {
		l, err := newListener(c, modules)
		if err != nil {
			return "", fmt.Errorf("%s: %w", c.Name, err)
		}
		listeners = append(listeners, l)
		if c.calls {
			clusters = append(clusters, cluster{Name: c.Cluster(), Stat: c.Slug(), Port: tokenPort})
		}
	}
	return writeConfig(dir, "measured", map[string]any{"Candidates": listeners, "Clusters": clusters})
}

func newListener(c candidate, modules modules) (listener, error) {
	config, err := c.Config()
	if err != nil {
		return listener{}, err
	}
	l := listener{candidate: c, Config: config, Module: modules.path(c.module)}
	if c.filter == "" {
		return l, nil
	}
	l.Filter, err = render("config/filters/"+c.filter+".yaml", l)
	return l, err
}

func writeConfig(dir, name string, data any) (string, error) {
	text, err := render("config/"+name+".yaml.tmpl", data)
	if err != nil {
		return "", err
	}
	file, err := os.CreateTemp(dir, name+".*.yaml")
	if err != nil {
		return "", err
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		return "", err
	}
	return file.Name(), nil
}

func render(path string, data any) (string, error) {
	functions := template.FuncMap{"json": toJSON, "indent": indent, "list": func(items ...string) []string { return items }}
	parsed, err := template.New(filepath.Base(path)).Funcs(functions).ParseFS(configs, path)
	if err != nil {
		return "", err
	}
	var text bytes.Buffer
	err = parsed.Execute(&text, data)
	return text.String(), err
}

// toJSON quotes a value for YAML, of which JSON is a part.
func toJSON(value any) (string, error) {
	text, err := json.Marshal(value)
	return string(text), err
}

func indent(columns int, text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	prefix := strings.Repeat(" ", columns)
	return prefix + strings.Join(lines, "\n"+prefix)
}
