//go:build istio

package istio_test

import (
	"net"
	"strings"
	"testing"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/test"
	"sigs.k8s.io/yaml"
)

// discovery is Istio's control plane, fed with resources by the test instead of an API server.
type discovery struct {
	server *xds.FakeDiscoveryServer
	port   int
}

func startDiscovery(t *testing.T, resources []map[string]any) *discovery {
	t.Helper()
	// For these Istio's Envoy has extensions that the stock one has not.
	test.SetForTest(t, &features.ALPNFilter, false)
	test.SetForTest(t, &features.MetadataExchange, false)
	d := &discovery{}
	d.server = xds.NewFakeDiscoveryServer(t, xds.FakeOptions{
		Configs: parse(t, resources...),
		ListenerBuilder: func() (net.Listener, error) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err == nil {
				d.port = listener.Addr().(*net.TCPAddr).Port
			}
			return listener, err
		},
	})
	return d
}

// update replaces a resource, as kubectl apply does.
func (d *discovery) update(t *testing.T, resource map[string]any) {
	t.Helper()
	for _, changed := range parse(t, resource) {
		stored := d.server.Store().Get(changed.GroupVersionKind, changed.Name, changed.Namespace)
		if stored == nil {
			t.Fatalf("there is no %s %s/%s", changed.GroupVersionKind.Kind, changed.Namespace, changed.Name)
		}
		changed.ResourceVersion = stored.ResourceVersion
		if _, err := d.server.Store().Update(changed); err != nil {
			t.Fatal(err)
		}
	}
}

// parse reads resources and validates them as Istio's webhook does.
func parse(t *testing.T, resources ...map[string]any) []config.Config {
	t.Helper()
	var documents []string
	for _, resource := range resources {
		data, err := yaml.Marshal(resource)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, string(data))
	}
	configs, unknown, err := crd.ParseInputs(strings.Join(documents, "\n---\n"))
	if err != nil || len(unknown) > 0 {
		t.Fatalf("Istio does not take the resources: %v; unknown to it are %v", err, unknown)
	}
	for _, c := range configs {
		schema, known := collections.All.FindByGroupVersionKind(c.GroupVersionKind)
		if !known {
			t.Fatalf("%s: unknown to Istio", c.GroupVersionKind)
		}
		if warning, err := schema.ValidateConfig(c); err != nil || warning != nil {
			t.Errorf("%s %s: Istio says %v and warns %v, expected neither", c.GroupVersionKind.Kind, c.Name, err, warning)
		}
	}
	return configs
}
