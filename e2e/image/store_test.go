package image

import (
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

func TestLayout(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "build", "image")
	tag := testRegistry(t)
	if err := WriteLayout(dir, testImage(t), tag); err != nil {
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

func TestParseNameErrors(t *testing.T) {
	for image, want := range map[string]string{
		"":                             "missing IMAGE: " + wantImage,
		"token-fetch":                  `invalid IMAGE "token-fetch": ` + wantImage,
		"token-fetch:1.0.0":            `invalid IMAGE "token-fetch:1.0.0": ` + wantImage,
		"r.example.com/ns/token-fetch": `invalid IMAGE "r.example.com/ns/token-fetch": ` + wantImage,
		"r.example.com/NS/plugin:1":    `invalid IMAGE "r.example.com/NS/plugin:1": ` + wantImage,
		"oci://r.example.com/ns/p:1":   `invalid IMAGE "oci://r.example.com/ns/p:1": ` + wantImage,
		"r.example.com/ns/p:a b":       `invalid IMAGE "r.example.com/ns/p:a b": ` + wantImage,
	} {
		if _, err := ParseName(image); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	for _, image := range []string{"localhost:5000/token-fetch:1.0.0", "r.example.com/a/b/c:latest", "127.0.0.1:5000/ns/p:1"} {
		if _, err := ParseName(image); err != nil {
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
		tag, err := ParseName(image)
		if err != nil {
			t.Fatal(err)
		}
		if got := tag.Scheme(); got != want {
			t.Errorf("%s goes over %s, want %s", image, got, want)
		}
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
	tag, err := ParseName(host + "/ns/token-fetch:1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	want := "not allowed, try docker login " + host
	if err := Push(t.Context(), testImage(t), tag); err == nil || !strings.Contains(err.Error(), want) {
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
	tag, err := ParseName(strings.TrimPrefix(server.URL, "http://") + "/ns/token-fetch:1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := fmt.Sprintf(`{"auths": {%q: {"auth": "dXNlcjpzZWNyZXQ="}}}`, tag.RegistryStr())
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", dir)
	if err := Push(t.Context(), testImage(t), tag); err != nil {
		t.Error(err)
	}
}
