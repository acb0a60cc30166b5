package tokenservice

import (
	"strings"
	"testing"

	"token-fetch/internal/schema"
)

// environment stands for the VM's in tests.
func environment(name string) (string, bool) {
	value, ok := map[string]string{"NAME": "value", "SECRET": "s3cr3t"}[name]
	return value, ok
}

const sampleJSON = `{"serviceName": "token.dns", "servicePort": 8080, "requestPath": "/token", "tokenHeader": "X-Token"}`

// extended is the sample's configuration with more keys.
func extended(more string) string {
	return strings.TrimSuffix(sampleJSON, "}") + ", " + more + "}"
}

// keyCache is the object that has the lifetimes; its other keys belong to others.
var keyCache = &schema.Key{Name: "cache", Kind: schema.Object, Keys: LifetimeKeys}

func read(config string) (*Service, error) {
	root := &schema.Key{Kind: schema.Object, Keys: append([]*schema.Key{keyCache}, Keys...)}
	s := schema.Parse([]byte(config), root, environment)
	service := Read(s, Scope{Enabled: true, Cache: s.Object(keyCache), IsCached: s.Has(keyCache)})
	return service, s.Err()
}

func mustRead(t testing.TB, config string) *Service {
	t.Helper()
	service, err := read(config)
	if err != nil {
		t.Fatalf("%s: %v", config, err)
	}
	return service
}
