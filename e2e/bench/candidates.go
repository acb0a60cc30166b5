package bench

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// Names of the candidates, as the tables show them.
const (
	router             = "router only"
	headerMutation     = "header_mutation"
	credentialInjector = "credential_injector, OAuth2"
	gcpAuthn           = "gcp_authn"
	luaStatic          = "Lua, static header"
	hello              = "wrapper hello-world"
	cached             = "token-fetch, cached"
	cachedRouteRules   = "token-fetch, cached, 3 route rules"
	cachedDomainRules  = "token-fetch, cached, 3 domain rules"
	extAuthz           = "ext_authz, HTTP service"
	luaCall            = "Lua, httpCall"
	uncached           = "token-fetch, no cache"
	sample             = "sample"
	null               = "SDK, does nothing"
	bare               = "SDK, one header"
	bareAllExports     = "SDK, one header, every export"
)

// staticToken is the value in the candidates that fetch none.
const staticToken = "static"

// candidate is one way to put a header into a request, in a listener of its own.
type candidate struct {
	Name  string
	About string // for the table: what it is and how often it asks the token service
	Wants string // header and value that must reach the upstream; empty: none

	filter   string         // file below config/filters, without .yaml; empty for none
	module   string         // Wasm module below build/, or main.wasm; with filter wasm
	settings map[string]any // the plugin's configuration beside service, path and header
	calls    bool           // has a cluster for the token service
}

// Slug names the candidate's listener, VM, service and statistics.
func (c candidate) Slug() string {
	words := regexp.MustCompile(`[a-z0-9]+`).FindAllString(strings.ToLower(c.Name), -1)
	return strings.Join(words, "-")
}

// Service is the FQDN of the token service, one for each candidate, so that
// Envoy counts the calls of each.
func (c candidate) Service() string { return c.Slug() + ".static" }

// Cluster is the name that the gateway gives the service's cluster.
func (c candidate) Cluster() string { return clusterName(c.Service()) }

func clusterName(service string) string { return "outbound|80||" + service }

// Config is the plugin configuration: the sample's four keys and the settings.
func (c candidate) Config() (string, error) {
	config := map[string]any{
		"serviceName": c.Service(), "servicePort": 80,
		"requestPath": "/token", "tokenHeader": "x-token",
	}
	for key, value := range c.settings {
		config[key] = value
	}
	text, err := json.Marshal(config)
	return string(text), err
}

// isPlugin tells whether the candidate is this project's plugin.
func (c candidate) isPlugin() bool { return c.module == pluginModule }

// benchCandidates are the rows of the benchmark, cheap ones first.
func benchCandidates() []candidate {
	return []candidate{
		{Name: router, About: "Envoy without any filter of this kind"},
		{Name: headerMutation, About: "C++, a header with a fixed value", filter: "header_mutation", Wants: "x-token: " + staticToken},
		{Name: credentialInjector, About: "C++, cached token", filter: "credential_injector", Wants: "authorization: Bearer " + oauthToken, calls: true},
		{Name: gcpAuthn, About: "C++, cached token", filter: "gcp_authn", Wants: "authorization: Bearer " + jwt(), calls: true},
		{Name: luaStatic, About: "Lua, a header with a fixed value", filter: "lua_static", Wants: "x-token: " + staticToken},
		{Name: hello, About: "Go Wasm, a header with a fixed value", filter: "wasm", module: "hello", Wants: "x-token: " + staticToken},
		plugin(cached, "this plugin, `cache: {}`", map[string]any{"cache": map[string]any{}}),
		plugin(cachedRouteRules, "the same, the third of three `_match_route_` rules matches", withRules("_match_route_", "orders", "invoices", "bench")),
		plugin(cachedDomainRules, "the same, the third of three `_match_domain_` rules matches", withRules("_match_domain_", "shop.example.com", "*.example.org", requestHost)),
		{Name: extAuthz, About: "C++, one call per request", filter: "ext_authz", Wants: "x-token: " + token, calls: true},
		{Name: luaCall, About: "Lua, one call per request", filter: "lua_call", Wants: "x-token: " + token, calls: true},
		plugin(uncached, "this plugin, one call per request", nil),
		{Name: sample, About: "Go Wasm as in the gateway's guide, one call per request", filter: "wasm", module: "sample", Wants: "x-token: " + token, calls: true},
	}
}

// profileCandidates go step by step from Envoy alone to the cached path.
func profileCandidates() []candidate {
	static := "x-token: " + staticToken
	return []candidate{
		{Name: router, About: "Envoy without any filter of this kind"},
		{Name: null, About: "Go Wasm on the bare SDK, no host call", filter: "wasm", module: "null-trimmed"},
		{Name: bare, About: "the same with one `ReplaceHttpRequestHeader`", filter: "wasm", module: "bare-trimmed", Wants: static},
		{Name: bareAllExports, About: "the same, with every callback exported as the SDK does", filter: "wasm", module: "bare", Wants: static},
		plugin(cached, "this plugin, `cache: {}`", map[string]any{"cache": map[string]any{}}),
		{Name: hello, About: "Go Wasm through `wrapper.SetCtx`, one `ReplaceHttpRequestHeader`", filter: "wasm", module: "hello", Wants: static},
	}
}

func plugin(name, about string, settings map[string]any) candidate {
	return candidate{
		Name: name, About: about, Wants: "x-token: " + token,
		filter: "wasm", module: pluginModule, settings: settings, calls: true,
	}
}

// withRules has three rules of one kind, each with a token of its own.
func withRules(kind string, values ...string) map[string]any {
	var rules []any
	for i, value := range values {
		rules = append(rules, map[string]any{kind: []string{value}, "requestPath": fmt.Sprintf("/token/%d", i)})
	}
	return map[string]any{"cache": map[string]any{}, "_rules_": rules}
}

// named returns the candidates with these names, in the order of the names.
func named(all []candidate, names ...string) []candidate {
	var found []candidate
	for _, name := range names {
		for _, c := range all {
			if c.Name == name {
				found = append(found, c)
			}
		}
	}
	return found
}

// matching returns the candidates whose name matches; a nil pattern matches all.
func matching(all []candidate, only *regexp.Regexp) []candidate {
	if only == nil {
		return all
	}
	var found []candidate
	for _, c := range all {
		if only.MatchString(c.Name) {
			found = append(found, c)
		}
	}
	return found
}
