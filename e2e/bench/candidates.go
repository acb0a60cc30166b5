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
	manyRouteRules     = "token-fetch, cached, 1,000 route rules"
	manyDomainRules    = "token-fetch, cached, 1,000 domain rules"
	cachedPerCaller    = "token-fetch, cached per caller"
	cachedExchange     = "token-fetch, cached exchange"
	callersShared      = "token-fetch, callers shared"
	exchangeRemoved    = "token-fetch, cached exchange, removed header"
	extAuthz           = "ext_authz, HTTP service"
	luaCall            = "Lua, httpCall"
	uncached           = "token-fetch, no cache"
	sample             = "sample"
	null               = "Go Wasm, does nothing"
	header             = "Go Wasm, one header"
	bare               = "SDK, one header"
	cachedPlain        = "token-fetch, cached, `invalidateOn: []`"
	bareAllExports     = "SDK, one header, every export"
	cachedSDK          = "token-fetch, cached, the SDK's callbacks"
	fewRules           = "token-fetch, cached, 5 rules"
	veryManyRules      = "token-fetch, cached, 5,000 rules"
)

// staticToken is the value in the candidates that fetch none.
const staticToken = "static"

// candidate is one way to put a header into a request, in a listener of its own.
type candidate struct {
	Name  string
	Group string // what its like have in common, for the chart
	About string // for the table
	Wants string // header and value that must reach the upstream; empty: none

	filter   string         // file below config/filters, without .yaml; empty for none
	module   string         // Wasm module below build/, or main.wasm; with filter wasm
	settings map[string]any // the plugin's configuration beside service, path and header
	calls    bool           // has a cluster for the token service
	users    bool           // each connection is of another user
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

// isPlugin reports whether the candidate is this project's plugin.
func (c candidate) isPlugin() bool { return c.module == pluginModule }

// benchCandidates are the rows of the benchmark.
func benchCandidates() []candidate {
	all := []candidate{{Name: router, About: "Envoy without any filter of this kind"}}
	all = append(all, grouped("a header with a fixed value",
		candidate{Name: headerMutation, About: "C++", filter: "header_mutation", Wants: "x-token: " + staticToken},
		candidate{Name: luaStatic, About: "Lua", filter: "lua_static", Wants: "x-token: " + staticToken},
		wasm(hello, "hello", "Go Wasm through `wrapper.SetCtx`"),
	)...)
	all = append(all, grouped("a cached token",
		candidate{Name: credentialInjector, About: "C++", filter: "credential_injector", Wants: "authorization: Bearer " + oauthToken, calls: true},
		candidate{Name: gcpAuthn, About: "C++", filter: "gcp_authn", Wants: "authorization: Bearer " + jwt(), calls: true},
		plugin(cached, "this plugin, `cache: {}`", map[string]any{"cache": map[string]any{}}),
		plugin(cachedRouteRules, "this plugin, the third of three `_match_route_` rules matches", withRules("_match_route_", "orders", "invoices", routeName)),
		plugin(cachedDomainRules, "this plugin, the third of three `_match_domain_` rules matches", withRules("_match_domain_", "shop.example.com", "*.example.org", requestHost)),
		plugin(manyRouteRules, "this plugin, the last of 1,000 `_match_route_` rules matches", withRules("_match_route_", append(routes(999), routeName)...)),
		plugin(manyDomainRules, "this plugin, the last of 1,000 `_match_domain_` rules matches, one in ten begins with `*`", withRules("_match_domain_", append(domains(999), requestHost)...)),
		plugin(cachedPerCaller, "this plugin, `forwardHeaders: [x-user]`: a token for each user", map[string]any{
			"cache": map[string]any{}, "forwardHeaders": []string{userHeader},
		}),
		tokenExchange(),
		sharedCallers(),
		exchangeToAnotherHeader(),
	)...)
	return append(all, grouped("one token call per request",
		candidate{Name: extAuthz, About: "C++", filter: "ext_authz", Wants: "x-token: " + token, calls: true},
		candidate{Name: luaCall, About: "Lua", filter: "lua_call", Wants: "x-token: " + token, calls: true},
		plugin(uncached, "this plugin without `cache`", nil),
		candidate{Name: sample, About: "Go Wasm as in the gateway's guide", filter: "wasm", module: "sample", Wants: "x-token: " + token, calls: true},
	)...)
}

// profileCandidates go step by step from Envoy alone to the cached path.
func profileCandidates() []candidate {
	nothing := wasm(null, "null-trimmed", "entered as often as this plugin, without the SDK")
	nothing.Wants = ""
	whole := plugin(cached, "this plugin, `cache: {}`", map[string]any{"cache": map[string]any{}})
	throughSDK := whole
	throughSDK.Name, throughSDK.module = cachedSDK, linkedModule+"-trimmed"
	throughSDK.About = "this plugin before `make build` puts its own callbacks in"
	return []candidate{
		{Name: router, About: "Envoy without any filter of this kind"},
		nothing,
		wasm(header, "header-trimmed", "the same with one host call, which sets a header"),
		plugin(cachedPlain, "this plugin, which then does not look at the response's status", map[string]any{
			"cache": map[string]any{"invalidateOn": []int{}},
		}),
		whole,
		throughSDK,
		wasm(bare, "bare-trimmed", "Go Wasm on the bare SDK, one `ReplaceHttpRequestHeader`"),
		wasm(bareAllExports, "bare", "the same, with every callback exported as the SDK does"),
		wasm(hello, "hello", "Go Wasm through `wrapper.SetCtx`, one `ReplaceHttpRequestHeader`"),
	}
}

func grouped(group string, members ...candidate) []candidate {
	for i := range members {
		members[i].Group = group
	}
	return members
}

// wasm is a plugin of e2e/plugins that sets a fixed value.
func wasm(name, module, about string) candidate {
	return candidate{Name: name, About: about, filter: "wasm", module: module, Wants: "x-token: " + staticToken}
}

func plugin(name, about string, settings map[string]any) candidate {
	return candidate{
		Name: name, About: about, Wants: "x-token: " + token,
		filter: "wasm", module: pluginModule, settings: settings, calls: true,
	}
}

// sharedCallers is the first request of each user in a worker, whose token another worker has: with room for
// one, a worker has dropped it when its user comes again.
func sharedCallers() candidate {
	c := plugin(callersShared, "this plugin, `forwardHeaders: [x-user]`, the first request of a user in a worker: the token is read from what the workers share", map[string]any{
		"cache": map[string]any{"maxEntries": 1}, "forwardHeaders": []string{userHeader},
	})
	c.users = true
	return c
}

// startCandidates differ in their number of rules, and are started only.
func startCandidates() []candidate {
	return []candidate{
		plugin(fewRules, "this plugin, five rules with a token each", withRules("_match_route_", append(routes(4), routeName)...)),
		plugin(veryManyRules, "this plugin, 5,000 rules with a token each", withRules("_match_route_", append(routes(4999), routeName)...)),
	}
}

// routeName is the one route's of the measured Envoy.
const routeName = "bench"

// routes are names of routes that a gateway with many of them could have.
func routes(count int) []string {
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprintf("team-%d/route-%d", i%10, i)
	}
	return names
}

// domains are those of a gateway with many of them.
func domains(count int) []string {
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprintf("shop-%d.example.com", i)
		if i%10 == 0 {
			names[i] = "*." + names[i]
		}
	}
	return names
}

// withRules has rules of one kind, each with a token of its own.
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
