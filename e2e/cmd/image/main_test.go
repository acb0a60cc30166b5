package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

const wantImage = "want IMAGE=REGISTRY/NAMESPACE/NAME:TAG, for example IMAGE=registry.example.com/gateway/token-fetch:1.0.0"

// The whole way of "make image" and "make push".
func TestBuildAndPush(t *testing.T) {
	root := testRoot(t, map[string]string{"main.wasm": string(module), "spec.yaml": specYAML})
	tag := testRegistry(t)
	digest, err := testImage(t).Digest()
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct{ command, want string }{
		{"build", fmt.Sprintf("build/image: %s, application/vnd.oci.image.manifest.v1+json, "+
			"layer application/vnd.oci.image.layer.v1.tar+gzip (0.2 MB)\npush it: make push IMAGE=%s\n", digest, tag)},
		// Twice: what a former build has left must not stay in the layout.
		{"build", digest.String()},
		{"push", fmt.Sprintf("pushed %s@%s\nurl of the WasmPlugin: oci://%s\n", tag, digest, tag)},
	}
	for _, step := range steps {
		var stdout bytes.Buffer
		if err := run(t.Context(), []string{"-root", root, step.command, tag.String()}, &stdout); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(stdout.String(), step.want) {
			t.Errorf("%s prints %q, want %q", step.command, stdout.String(), step.want)
		}
	}
	_, fetched, err := fetch(tag)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(fetched, module) {
		t.Error("the module fetched is not main.wasm")
	}
}

func TestLayout(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "build", "image")
	tag := testRegistry(t)
	if err := writeLayout(dir, testImage(t), tag); err != nil {
		t.Fatal(err)
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if got := manifest.Manifests[0].Annotations["org.opencontainers.image.ref.name"]; got != tag.String() {
		t.Errorf("name in the layout is %q, want %q", got, tag)
	}
}

func TestParseImageErrors(t *testing.T) {
	for image, want := range map[string]string{
		"":                             "missing IMAGE: " + wantImage,
		"token-fetch":                  `invalid IMAGE "token-fetch": ` + wantImage,
		"token-fetch:1.0.0":            `invalid IMAGE "token-fetch:1.0.0": ` + wantImage,
		"r.example.com/ns/token-fetch": `invalid IMAGE "r.example.com/ns/token-fetch": ` + wantImage,
		"r.example.com/NS/plugin:1":    `invalid IMAGE "r.example.com/NS/plugin:1": ` + wantImage,
		"oci://r.example.com/ns/p:1":   `invalid IMAGE "oci://r.example.com/ns/p:1": ` + wantImage,
		"r.example.com/ns/p:a b":       `invalid IMAGE "r.example.com/ns/p:a b": ` + wantImage,
	} {
		if _, err := parseImage(image); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	for _, image := range []string{"localhost:5000/token-fetch:1.0.0", "r.example.com/a/b/c:latest", "127.0.0.1:5000/ns/p:1"} {
		if _, err := parseImage(image); err != nil {
			t.Error(err)
		}
	}
}

// No certificate is needed on the machine itself, but on all others.
func TestRegistryScheme(t *testing.T) {
	for image, want := range map[string]string{
		"localhost:5000/ns/p:1":       "http",
		"127.0.0.1:5000/ns/p:1":       "http",
		"registry.example.com/ns/p:1": "https",
	} {
		tag, err := parseImage(image)
		if err != nil {
			t.Fatal(err)
		}
		if got := tag.Scheme(); got != want {
			t.Errorf("%s goes over %s, want %s", image, got, want)
		}
	}
}

func TestRunErrors(t *testing.T) {
	const image = "127.0.0.1:1/ns/token-fetch:1.0.0"
	good := map[string]string{"main.wasm": string(module), "spec.yaml": specYAML}
	tests := []struct {
		name  string
		files map[string]string
		args  []string
		want  string
	}{
		{"nothing", nil, nil, "usage: image [-root FOLDER] build|push REGISTRY/NAMESPACE/NAME:TAG"},
		{"no image", nil, []string{"build"}, "missing IMAGE: " + wantImage},
		{"empty image", nil, []string{"push", ""}, "missing IMAGE: " + wantImage},
		{"unknown command", nil, []string{"pull", image}, `unknown command "pull" (want build or push)`},
		{"no module", nil, []string{"build", image}, "main.wasm is missing: run make build first"},
		{"no Wasm", map[string]string{"main.wasm": "<html>"}, []string{"build", image}, "main.wasm is no WebAssembly module: run make build again"},
		{"no spec.yaml", map[string]string{"main.wasm": string(module)}, []string{"build", image}, "spec.yaml: no such file or directory"},
		{"no version", map[string]string{"main.wasm": string(module), "spec.yaml": "info: {title: a, description: b}"}, []string{"build", image}, "title, description or version is missing in info"},
		{"not built", good, []string{"push", image}, "build/image is missing: run make image first"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{"-root", testRoot(t, test.files)}, test.args...)
			if err := run(t.Context(), args, io.Discard); err == nil || !strings.HasSuffix(err.Error(), test.want) {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}

func TestPushRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	tag, err := parseImage(host + "/ns/token-fetch:1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	want := "not allowed, try docker login " + host
	if err := push(t.Context(), testImage(t), tag); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}

// What the registry gets when it asks for credentials is what docker login has stored.
func TestPushCredentials(t *testing.T) {
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "user" || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	defer server.Close()
	tag, err := parseImage(strings.TrimPrefix(server.URL, "http://") + "/ns/token-fetch:1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := fmt.Sprintf(`{"auths": {%q: {"auth": "dXNlcjpzZWNyZXQ="}}}`, tag.RegistryStr())
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", dir)
	if err := push(t.Context(), testImage(t), tag); err != nil {
		t.Error(err)
	}
}
