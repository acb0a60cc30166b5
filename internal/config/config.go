// Package config reads the plugin's configuration: bytes in, a Config or an error out.
//
// It has no host, so that a gateway and `make check` read a configuration by the same code:
//
//	main, cmd/check ──> Parse ──> schema         JSON in layers, by the declared keys; every error text
//	                         ├──> tokenservice   keys of the token call
//	                         ├──> cache, fleet   keys of the object cache
//	                         └──> Config         the global part and the rules, which inherit it
//
// What must stay true:
//   - Every key is declared once, beside the code that reads it, and composed here into Root.
//   - No error and no warning shows a secret (FuzzSecrets).
//   - A configuration is taken, or there is an error that names the key; what is taken is fit for use (FuzzParse).
//   - Another value of a key drops the tokens that were fetched with the old one exactly if the key is part of their
//     identity (TestWhatATokenDependsOn).
package config

import (
	"fmt"
	"token-fetch/internal/cache"
	"token-fetch/internal/rules"
	"token-fetch/internal/schema"
	"token-fetch/internal/share"
	"token-fetch/internal/tokenservice"
)

// Config is a configuration without errors.
type Config struct {
	Global   *Part // nil: requests that match no rule are left alone
	Rules    []Rule
	Warnings []string
	// Unchecked are the keys that nothing can be said about, as env does not know a value, and why. None in a gateway.
	Unchecked []string
}

// Rule is a part and the requests that it is for.
type Rule struct {
	rules.Rule
	Part *Part
}

// Conditions are those of the rules, in their order.
func (c *Config) Conditions() []rules.Rule {
	var conditions []rules.Rule
	for _, r := range c.Rules {
		conditions = append(conditions, r.Rule)
	}
	return conditions
}

// Part is what the global part or one rule says about its requests.
type Part struct {
	Enabled       bool     // false: its requests are left alone
	Overwrite     bool     // false: a client's own token header goes on upstream
	BypassMethods []string // whose requests are left alone but for the headers that only the plugin may set
	Service       *tokenservice.Service
	Cache         *Cache // nil: a token call for every request
	Failure       Failure
	Identity      [16]byte // of what its tokens depend on
}

// Features are what the file that reads the configuration can do.
type Features struct {
	Redis bool // share tokens with other gateways
}

// Parse reads a configuration. The error is *schema.Errors, which has all that is wrong, and never a secret's value.
func Parse(data []byte, env schema.LookupEnv, has Features) (*Config, error) {
	global := schema.Parse(data, Root, env)
	listed, hasRules := global.Own(RulesKey)
	c := &Config{}
	if global.HasOwnKeys() || !hasRules {
		c.Global = readPart(global, has)
	}
	if hasRules {
		c.Rules = readRules(listed, global, has)
	}
	c.checkRedis(global)
	c.Warnings, c.Unchecked = global.Warnings(), global.Unchecked()
	if err := global.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// checkRedis reports parts with one Redis that introduce themselves to it in different ways. The Higress host has one
// client for each cluster, which all of its users set up anew: each would take the other's password and database away,
// and break its connections.
func (c *Config) checkRedis(global schema.Section) {
	addresses := map[string]share.Address{}
	check := func(s schema.Section, p *Part) {
		if p == nil || !p.Enabled || p.Cache == nil || p.Cache.Redis == nil {
			return
		}
		redis := p.Cache.Redis
		at := fmt.Sprintf("%s:%d", redis.ServiceName, redis.ServicePort)
		if known, isKnown := addresses[at]; isKnown && known != redis.Address {
			s.Fail("invalid %s in config: another username, password, database or timeout for %s than elsewhere in it (want the same, as the gateway has one client for it)", keyCache.Name+"."+share.RedisKey.Name, at)
			return
		}
		addresses[at] = redis.Address
	}
	check(global, c.Global)
	for i, rule := range c.Rules {
		check(global.Named(fmt.Sprintf("%s[%d]", RulesKey, i)), rule.Part)
	}
}

// readPart reads one part, with what it inherits.
func readPart(s schema.Section, has Features) *Part {
	_, isSet := s.Own(keyEnabled.Name)
	cache := s.Object(keyCache)
	p := &Part{
		// A rule does not inherit enabled: with a global false, the global part is only what the rules inherit.
		Enabled:       !isSet || s.Bool(keyEnabled),
		Overwrite:     s.Bool(keyOverwrite),
		BypassMethods: readMethods(s),
	}
	p.Service = tokenservice.Read(s, tokenservice.Part{Enabled: p.Enabled, Cache: cache, IsCached: s.Has(keyCache)})
	if p.Enabled && !p.Overwrite && p.Service.ExchangesTokenHeader() {
		s.Wrong(keyOverwrite, "true: tokenHeader also carries the caller's token, so no request would ever be exchanged")
	}
	if s.Has(keyCache) || tokenservice.IsOAuth2(s) {
		p.Cache = readCache(cache, p.Enabled, has)
		if p.Cache.WarmUp && p.Enabled && p.Service.DependsOnCaller() {
			cache.Wrong(keyWarmUp, "false: tokens are per caller, so there is nothing to fetch ahead")
		}
	}
	p.Failure = readFailure(s, p.Cache != nil)
	p.Identity = s.Identity()
	return p
}

// Cache is the key cache, but for how long tokens live, which Service knows.
type Cache struct {
	cache.Policy
	InvalidateOn   []int              // statuses of the upstream that reject a token
	InvalidateWhen []Rejection        // other answers that do
	Shared         bool               // by the workers of the gateway
	Redis          *share.RedisConfig // of the gateways that share tokens; nil: this one is by itself
}

func readCache(s schema.Section, isEnabled bool, has Features) *Cache {
	c := &Cache{
		Policy:         cache.ReadPolicy(s),
		InvalidateOn:   s.Ints(keyInvalidateOn),
		InvalidateWhen: readRejections(s),
		Shared:         s.Bool(keyShared),
	}
	c.WarmUp = s.Bool(keyWarmUp)
	switch {
	case !s.Has(share.RedisKey):
	case !has.Redis:
		s.Fail("invalid %s in config: this file has no Redis, which only Higress offers to plugins (want main-redis.wasm)", s.Name(share.RedisKey))
	default:
		c.Redis = share.ReadRedisConfig(s.Object(share.RedisKey), isEnabled)
	}
	return c
}
