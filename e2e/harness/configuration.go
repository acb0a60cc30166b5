package harness

import (
	"maps"
	"slices"
	"strings"
)

// Config is a plugin configuration, or a part of one.
type Config = map[string]any

// What OAuth names the grants and kinds of tokens.
const (
	TokenExchange   = "urn:ietf:params:oauth:grant-type:token-exchange"
	JWTBearer       = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	AccessTokenType = "urn:ietf:params:oauth:token-type:access_token"
)

// Keys of oauth2 besides the credentials, for the grants that bring a caller's token.
var (
	Exchange   = Config{"grantType": TokenExchange}
	Delegation = Config{"grantType": TokenExchange, "actorTokenHeader": "X-Actor"}
	Assertion  = Config{"grantType": JWTBearer}
)

// Allow is the key failure that lets requests go on without a token.
var Allow = Config{"mode": "allow"}

// MaxToken is how long a token may be, in bytes.
const MaxToken = 16 << 10

// Merge is a copy of base in which the keys of more are set.
func Merge(base, more Config) Config {
	result := maps.Clone(base)
	maps.Copy(result, more)
	return result
}

// SampleConfig is the configuration of the gateway's guide, with the default timeout.
func SampleConfig() Config {
	return Config{"serviceName": TokenName, "servicePort": 80, "requestPath": "/token", "tokenHeader": "X-Token"}
}

// SampleWith is the sample's configuration with one key.
func SampleWith(key string, value any) Config {
	return Merge(SampleConfig(), Config{key: value})
}

// PlainConfig is the sample's configuration for tests of something other than the timeout, which a busy machine could
// otherwise exceed.
func PlainConfig(more Config) Config {
	return Merge(Merge(SampleConfig(), Config{"timeout": 10_000}), more)
}

// OAuth2Config is a configuration with the key oauth2, whose calls go to the path.
func OAuth2Config(path string, oauth2, more Config) Config {
	return Merge(Config{
		"serviceName": TokenName,
		"requestPath": path,
		"timeout":     10_000,
		"oauth2":      Merge(Config{"clientId": "client", "clientSecret": "secret"}, oauth2),
	}, more)
}

// CachedConfigs are configurations for ByHost with equal settings, each with its own cold cache: requests with
// the Host "x" need the token of the path "/x".
func CachedConfigs(hosts []string, cache Config) map[string]Config {
	configs := map[string]Config{}
	for _, host := range hosts {
		configs[host] = Merge(SampleConfig(), Config{
			"requestPath":    "/" + host,
			"requestHeaders": map[string]string{"X-Credential": SecretMark + "-credential"},
			"timeout":        20_000, // far more than a busy machine needs
			"cache":          cache,
		})
	}
	return configs
}

// WithRules is a configuration with rules.
func WithRules(global Config, rules ...Config) Config {
	return Merge(global, Config{"_rules_": rules})
}

// ByHost is a configuration without a global part and with one rule per host, so that many cases share a gateway: a
// request chooses its case by its Host header.
func ByHost(groups ...map[string]Config) Config {
	var rules []Config
	seen := map[string]bool{}
	for _, group := range groups {
		for _, host := range slices.Sorted(maps.Keys(group)) {
			if seen[host] {
				panic("two cases have the host " + host) // the test's own mistake
			}
			seen[host] = true
			rules = append(rules, Merge(group[host], Config{"_match_domain_": []string{host}}))
		}
	}
	return WithRules(Config{}, rules...)
}

// HostName makes a host's name of a case's.
func HostName(name string) string {
	return strings.ToLower(strings.NewReplacer(" ", "-", "_", "-", ",", "", "'", "", `\`, "").Replace(name))
}
