//go:build istio

package gateways_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pkg/config/schema/collections"
	"sigs.k8s.io/yaml"

	"token-fetch/cmd/manifest"
	"token-fetch/e2e/harness"
)

// What make check says of Istio's resources is what Istio's own webhook and the published definitions say: of the files of
// its tests, and of deploy/.
func TestIstioSaysTheSame(t *testing.T) {
	set := published(t)
	tried := map[bool]int{}
	for _, path := range checkedFiles(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := manifest.Read(text)
		if err != nil {
			continue // refused as a whole
		}
		for _, p := range file.Plugins {
			if p.Gateway != manifest.Istio {
				continue
			}
			real := refused(set, p.Resource)
			if real == nil {
				real = validate(t, p.Resource)
			}
			isRefused := false
			for _, err := range p.Errs {
				isRefused = isRefused || !strings.HasPrefix(err.Error(), "invalid configuration of the filter") && err.Error() != "missing metadata.name"
			}
			if (real != nil) != isRefused {
				t.Errorf("%s: make check says %v, Istio says %v", path, p.Errs, real)
			}
			tried[isRefused]++
		}
	}
	if tried[true] < 5 || tried[false] < 5 {
		t.Errorf("got %d resources that are refused and %d that are taken, expected 5 each at least", tried[true], tried[false])
	}
}

func checkedFiles(t *testing.T) (files []string) {
	t.Helper()
	for _, pattern := range []string{"cmd/check/testdata/*/*.yaml", "deploy/*.yaml"} {
		found, err := filepath.Glob(filepath.Join(harness.Root(t), filepath.FromSlash(pattern)))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: got no files (%v)", pattern, err)
		}
		files = append(files, found...)
	}
	return files
}

// validate is Istio's webhook.
func validate(t *testing.T, resource manifest.Resource) error {
	t.Helper()
	text, err := yaml.Marshal(resource)
	if err != nil {
		t.Fatal(err)
	}
	configs, _, err := crd.ParseInputs(string(text))
	if err != nil {
		return err
	}
	for _, c := range configs {
		kind, found := collections.All.FindByGroupVersionAliasesKind(c.GroupVersionKind)
		if !found {
			t.Fatalf("Istio does not know %v", c.GroupVersionKind)
		}
		if _, err := kind.ValidateConfig(c); err != nil {
			return err
		}
	}
	return nil
}
