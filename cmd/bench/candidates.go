package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"
)

// Candidates that are referred to by name.
const (
	router             = "router only"
	hello              = "wrapper hello-world"
	credentialInjector = "credential_injector, OAuth2"
	cached             = "token-fetch, cached"
	extAuthz           = "ext_authz, HTTP service"
	uncached           = "token-fetch, no cache"
	sample             = "sample"
	fewRules           = "start with 5 rules"
	unsigned           = "token-fetch, not signed"
	perCaller          = "token-fetch, cached per caller"
)

const tokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"

// signing is the group whose cost is mostly that of a signature. It has a separate table.
const signing = "a token exchange for each request"

// candidate is one way to put a header into a request. Each has its own listener.
type candidate struct {
	Name   string
	Group  string  // in the chart
	About  string  // for the table
	Wants  string  // header and value that the upstream must get; empty: none
	limits []limit // targets of the plugin

	filter   string         // file below config/filters, without .yaml; empty for none
	module   string         // of filter wasm, see modulePath
	settings map[string]any // of the plugin, besides service, path and header
	calls    bool           // needs a cluster for the token service
	users    bool           // each connection is another user's
}

// candidates returns the rows of the benchmark. Add new ones here.
func candidates() ([]candidate, error) {
	// With a single entry, a worker has evicted the token when its user returns.
	shared := plugin("token-fetch, callers shared", "a user's first request in a worker: the token is read from shared data",
		settings{"cache": settings{"maxEntries": 1}, "forwardHeaders": []string{userHeader}})
	shared.users = true
	all := []candidate{{Name: router, About: "Envoy without such a filter"}}
	all = append(all, group("a header with a fixed value",
		candidate{Name: "header_mutation", About: "C++", filter: "header_mutation", Wants: "x-token: static"},
		candidate{Name: "Lua, static header", About: "Lua", filter: "lua_static", Wants: "x-token: static"},
		candidate{Name: "SDK, one header", About: "Go Wasm on the bare SDK", filter: "wasm", module: "bare", Wants: "x-token: static"},
		candidate{Name: hello, About: "Go Wasm through `wrapper.SetCtx`", filter: "wasm", module: exampleModule, Wants: "hello: world"},
	)...)
	all = append(all, group("a cached token",
		candidate{Name: credentialInjector, About: "C++", filter: "credential_injector", Wants: "authorization: Bearer " + oauthToken, calls: true},
		candidate{Name: "gcp_authn", About: "C++", filter: "gcp_authn", Wants: "authorization: Bearer " + identityToken(), calls: true},
		plugin(cached, "this plugin, `cache: {}`", settings{"cache": settings{}},
			limit{cpu, router, 1.25}, limit{rate, credentialInjector, 0.85}, limit{rate, sample, 3},
			limit{p99, router, 1.3}, limit{ready, hello, 1.5}, limit{size, hello, 1.5}, limit{memory, hello, 1.15}),
		plugin("token-fetch, cached, 3 route rules", "three `_match_route_` rules; the third matches",
			rules(byRoute, 2), limit{cpu, cached, 1.15}),
		plugin("token-fetch, cached, 3 domain rules", "three `_match_domain_` rules; the third matches",
			rules(byDomain, 2), limit{cpu, cached, 1.15}),
		plugin("token-fetch, cached, 1,000 route rules", "1,000 `_match_route_` rules; the last matches",
			rules(byRoute, 999), limit{cpu, cached, 1.12}),
		plugin("token-fetch, cached, 1,000 domain rules", "1,000 `_match_domain_` rules, one in ten with `*`; the last matches",
			rules(byDomain, 999), limit{cpu, cached, 1.15}),
		plugin(perCaller, "`forwardHeaders: [x-user]`: one token per user",
			settings{"cache": settings{}, "forwardHeaders": []string{userHeader}}, limit{cpu, cached, 1.12}),
		exchange("token-fetch, cached exchange", fmt.Sprintf("`oauth2` with token exchange: one token per bearer token, here of %d bytes", len(bearerToken())),
			"Authorization", limit{cpu, cached, 1.15}),
		exchange("token-fetch, cached exchange, removed header", "the same, with the token in another header and the client's own token removed", "x-token"),
		shared,
		chain("token-fetch, cached chain", "its call uses a named token, which uses another one", "${token.exchange}", limit{cpu, cached, 1.03}),
		chain("token-fetch, cached chain per caller", "the same with `${request.header.x-user}`: one token per user", "${token.exchange} ${request.header."+userHeader+"}", limit{cpu, perCaller, 1.03}),
	)...)
	all = append(all, group("a token call for each request",
		candidate{Name: extAuthz, About: "C++", filter: "ext_authz", Wants: "x-token: " + token, calls: true},
		candidate{Name: "Lua, httpCall", About: "Lua", filter: "lua_call", Wants: "x-token: " + token, calls: true},
		plugin(uncached, "this plugin without `cache`", nil, limit{rate, extAuthz, 0.75}, limit{rate, sample, 1.6}),
		candidate{Name: sample, About: "Go Wasm as in the gateway's guide", filter: "wasm", module: "sample", Wants: "x-token: " + token, calls: true},
	)...)
	signed, err := signatures()
	return append(all, group(signing, signed...)...), err
}

// started returns the candidates of which only the start is measured.
func started() []candidate {
	return []candidate{
		plugin(fewRules, "five rules, each with its own token", rules(byRoute, 4)),
		plugin("start with 5,000 rules", "5,000 rules, each with its own token", rules(byRoute, 4999), limit{ready, fewRules, 1.5}),
	}
}

type settings = map[string]any

func plugin(name, about string, config settings, limits ...limit) candidate {
	return candidate{
		Name: name, About: about, Wants: "x-token: " + token, limits: limits,
		filter: "wasm", module: pluginModule, settings: config, calls: true,
	}
}

func (c candidate) isPlugin() bool { return c.module == pluginModule }

// exchange is a token exchange, with a token for each bearer token of a client.
func exchange(name, about, header string, limits ...limit) candidate {
	c := plugin(name, about, settings{"requestPath": "/oauth", "tokenHeader": header, "oauth2": settings{
		"grantType": tokenExchange, "clientId": "benchmark", "clientSecret": "benchmark",
	}}, limits...)
	c.Wants = strings.ToLower(header) + ": Bearer " + oauthToken
	return c
}

// chain has three tokens, each of whose calls but the first refers to the previous one.
func chain(name, about, reference string, limits ...limit) candidate {
	c := plugin(name, about, settings{"cache": settings{}, "requestHeaders": settings{"x-link": reference}}, limits...)
	link := func(reference string) settings {
		return settings{"serviceName": c.Service(), "requestPath": "/token", "responseHeader": "x-token", "timeout": 5000, "requestHeaders": settings{"x-link": reference}}
	}
	c.settings["tokens"] = settings{"login": link("benchmark"), "exchange": link("${token.login}")}
	return c
}

// signatures returns exchanges whose tokens have no lifetime, with a different caller on each connection: every request
// signs a call.
var signatures = sync.OnceValues(func() (all []candidate, err error) {
	add := func(name, about string, oauth2 settings) {
		c := exchange(name, about, "Authorization")
		c.users = true
		oauth2["grantType"], oauth2["clientId"] = tokenExchange, "benchmark"
		maps.Copy(c.settings, settings{
			"requestPath": "/oauth/once", "forwardHeaders": []string{userHeader}, "oauth2": oauth2,
			"timeout": 60_000, // RSA keeps a worker busy
		})
		all = append(all, c)
	}
	addKey := func(name, about string, key any, keyErr error) {
		der, marshalErr := x509.MarshalPKCS8PrivateKey(key)
		err = errors.Join(err, keyErr, marshalErr)
		text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
		add(name, about, settings{"authStyle": "private_key_jwt", "privateKey": text})
	}
	add(unsigned, "`authStyle: header`", settings{"clientSecret": "benchmark"})
	add("token-fetch, HS256", "`client_secret_jwt`", settings{"authStyle": "client_secret_jwt", "clientSecret": strings.Repeat("benchmark-", 4)})
	_, edwards, keyErr := ed25519.GenerateKey(rand.Reader)
	addKey("token-fetch, EdDSA", "`private_key_jwt`, Ed25519", edwards, keyErr)
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		key, keyErr := ecdsa.GenerateKey(curve, rand.Reader)
		addKey("token-fetch, ES"+curve.Params().Name[2:], "`private_key_jwt`, "+curve.Params().Name, key, keyErr)
	}
	for _, bits := range []int{2048, 4096} {
		key, keyErr := rsa.GenerateKey(rand.Reader, bits)
		addKey(fmt.Sprintf("token-fetch, RS256, %d bits", bits), "`private_key_jwt`, RSA", key, keyErr)
	}
	return all, err
})

func group(name string, members ...candidate) []candidate {
	for i := range members {
		members[i].Group = name
	}
	return members
}

// routeName is that of the only route of the measured Envoy.
const routeName = "bench"

// rules returns so many rules for other requests, then one for the benchmark's, each with a separate token. Every tenth
// domain is a wildcard.
func rules(kind string, others int) settings {
	var list []any
	for i := range others + 1 {
		value := map[string]string{byRoute: fmt.Sprintf("team-%d/route-%d", i%10, i), byDomain: fmt.Sprintf("shop-%d.example.com", i)}[kind]
		switch {
		case i == others:
			value = map[string]string{byRoute: routeName, byDomain: requestHost}[kind]
		case kind == byDomain && i%10 == 1:
			value = "*." + value
		}
		list = append(list, settings{kind: []string{value}, "requestPath": fmt.Sprintf("/token/%d", i)})
	}
	return settings{"cache": settings{}, "_rules_": list}
}

const (
	byRoute  = "_match_route_"
	byDomain = "_match_domain_"
)

var word = regexp.MustCompile(`[a-z0-9]+`)

// Slug names the candidate's listener, VM, service and statistics.
func (c candidate) Slug() string {
	return strings.Join(word.FindAllString(strings.ToLower(c.Name), -1), "-")
}

// Service is the token service's name. Each candidate has its own, so that Envoy counts its calls.
func (c candidate) Service() string { return c.Slug() + ".static" }

// Cluster is the gateway's name for the service's cluster.
func (c candidate) Cluster() string { return clusterName(c.Service()) }

func clusterName(service string) string { return "outbound|80||" + service }

// Config is the plugin's configuration: the sample's four keys, the same timeout as the other candidates', and the settings.
func (c candidate) Config() (string, error) {
	config := settings{"serviceName": c.Service(), "servicePort": 80, "requestPath": "/token", "tokenHeader": "x-token", "timeout": 5000}
	maps.Copy(config, c.settings)
	text, err := json.Marshal(config)
	return string(text), err
}

// All requests look like those of a client that has logged in.
const (
	requestHost = "api.example.com"
	userHeader  = "x-user"
)

func (c candidate) requestHeaders(connection int) [][2]string {
	user := "alice@example.com"
	if c.users {
		user = fmt.Sprintf("alice%d@example.com", connection)
	}
	return [][2]string{{"Host", requestHost}, {"Authorization", "Bearer " + bearerToken()}, {userHeader, user}}
}

// bearerToken has the size of an identity provider's access token, with a signature as long as that of RS256.
func bearerToken() string {
	const claims = `{"iss":"https://login.example.com/realms/shop","sub":"5b7f2c1e-8a44-4f0e-9d53-0c6a1f7e2b90",` +
		`"aud":["https://api.example.com","account"],"exp":4102444800,"iat":1700000000,"azp":"web-shop",` +
		`"scope":"openid profile email orders:read","sid":"0f6d7f3e-12c4-4a5b-8a5e-bb0c1d9b7a11","email":"alice@example.com"}`
	return encodeJWT(claims, bytes.Repeat([]byte{0x5a, 0xc3, 0x17, 0xe8}, 64))
}

// Answers of the token service. gcp_authn only caches JWTs.
const (
	token      = "benchmark-token-0123456789abcdef"
	oauthToken = "benchmark-oauth-0123456789abcdef"
)

func identityToken() string {
	return encodeJWT(`{"aud":"http://upstream.static","exp":4102444800,"iat":1700000000,"iss":"benchmark"}`, []byte("not a signature"))
}

func encodeJWT(claims string, signature []byte) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode([]byte(claims)) + "." + encode(signature)
}
