package main

import (
	"strings"
	"testing"
	"time"

	"github.com/higress-group/wasm-go/pkg/matcher"
	"github.com/higress-group/wasm-go/pkg/test"
	"github.com/higress-group/wasm-go/pkg/wrapper"

	"token-fetch/internal/config"
	"token-fetch/internal/token"
	"token-fetch/internal/tokentest"
)

// environment is that of the VM in tests.
func environment(name string) (string, bool) {
	value, ok := map[string]string{"NAME": "value", "SECRET": "s3cr3t"}[name]
	return value, ok
}

const sampleJSON = `{"serviceName": "token.dns", "servicePort": 8080, "requestPath": "/token", "tokenHeader": "X-Token"}`

// extended is the sample's configuration with more keys.
func extended(more string) string {
	return strings.TrimSuffix(sampleJSON, "}") + ", " + more + "}"
}

func mustParse(t testing.TB, json string) *config.Config {
	t.Helper()
	parsed, err := config.Parse([]byte(json), environment, config.Features{})
	if err != nil {
		t.Fatalf("%s: %v", json, err)
	}
	return parsed
}

func globalPart(t testing.TB, json string) *part {
	t.Helper()
	return newPart(mustParse(t, json).Global, "", map[*config.Named]*part{})
}

// wasm-go strips and matches by the names of its matcher; the parser has them as constants, as it imports no host.
func TestKeysOfRulesAreThoseOfWasmGo(t *testing.T) {
	for got, want := range map[string]string{
		config.RulesKey: matcher.RULES_KEY, config.RouteKey: matcher.MATCH_ROUTE_KEY, config.DomainKey: matcher.MATCH_DOMAIN_KEY,
		config.ServiceKey: matcher.MATCH_SERVICE_KEY, config.RoutePrefixKey: matcher.MATCH_ROUTE_PREFIX_KEY,
	} {
		if got != want {
			t.Errorf("got %s, wasm-go has %s", got, want)
		}
	}
}

// Other plugins call the same service by the same name.
func TestClustersAreNamedAsWasmGoNamesThem(t *testing.T) {
	service := globalPart(t, sampleJSON).Service
	want := wrapper.FQDNCluster{FQDN: service.Name, Port: int64(service.Port)}.ClusterName()
	if got := service.ClusterName(); got != want {
		t.Errorf("got %q, wasm-go has %q", got, want)
	}
}

// Without tokenPrefix the upstream gets "Bearer t1", with an empty one "t1": that is not the same token.
func TestEmptyPrefixIsNoMissingPrefix(t *testing.T) {
	with := func(more string) *part {
		return globalPart(t, `{"serviceName": "token.dns", "requestPath": "/token", `+more+
			`"oauth2": {"clientId": "id", "clientSecret": "s"}}`)
	}
	missing, empty := with(""), with(`"tokenPrefix": "", `)
	if missing.Identity == empty.Identity {
		t.Error("the workers and the next configuration share the token of both")
	}
	if missing.cacheIdentity() == empty.cacheIdentity() {
		t.Error("two rules share the cache of both")
	}
}

// constant is a source of another kind than a token call. Whoever writes one touches neither cache nor share.
type constant string

func (c constant) Fetch(_ token.Query, done func(token.Token, *token.Error)) {
	done(token.Token{Values: []string{string(c)}, Lifetime: time.Hour}, nil)
}

func TestAnotherKindOfSource(t *testing.T) {
	test.RunGoTest(t, func(t *testing.T) {
		_, p := newPlugin(t, frugal)
		made := p.newCache(p.global.configPart(), constant("t1"))
		if _, reply := made.Ask(nil, &tokentest.Request{}); reply.Token == nil || reply.Token.Values[0] != "t1" {
			t.Errorf("got %+v, expected the token at once", reply)
		}
	})
}
