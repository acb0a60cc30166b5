// Package config reads the plugin's configuration: bytes in, a Config or an error out.
//
// It knows no host, so a gateway and `make check` read a configuration with the same code:
//
//	main, cmd/check ──> Parse ──> schema         JSON in layers, by declared keys; all error texts
//	                         ├──> tokenservice   keys of the token call
//	                         ├──> cache, share   keys of the object cache
//	                         └──> Config         the global part, and the rules that inherit it
//
// What must stay true:
//
//   - Each key is declared once, next to the code that reads it, and composed here into Root.
//   - No error or warning shows a secret: FuzzSecrets.
//   - A configuration is either accepted and usable, or gets an error that names the key: FuzzParse.
//   - Changing a key's value drops the tokens fetched with the old one exactly if the key is part of their identity:
//     TestWhatATokenDependsOn.
package config

import (
	"fmt"
	"token-fetch/internal/cache"
	"token-fetch/internal/rules"
	"token-fetch/internal/schema"
	"token-fetch/internal/share"
	"token-fetch/internal/tokenservice"
)

// Config is a valid configuration.
type Config struct {
	Global   *Part // nil: requests that match no rule bypass the plugin
	Rules    []Rule
	Warnings []string
	// Unchecked lists keys that could not be checked because env does not know a value, with the reason. It is empty in
	// a gateway.
	Unchecked []string
}

// Rule is a part and the conditions of its requests.
type Rule struct {
	rules.Rule
	Part *Part
}

// Conditions returns the conditions of the rules, in order.
func (c *Config) Conditions() []rules.Rule {
	var conditions []rules.Rule
	for _, r := range c.Rules {
		conditions = append(conditions, r.Rule)
	}
	return conditions
}

// parts returns the global part and those of the rules.
func (c *Config) parts() []*Part {
	parts := []*Part{c.Global}
	for _, rule := range c.Rules {
		parts = append(parts, rule.Part)
	}
	return parts
}

// Part is the configuration of the requests of the global part or of one rule.
type Part struct {
	TokenConfig
	Enabled       bool     // false: its requests bypass the plugin
	Overwrite     bool     // false: a client's own token header goes upstream
	BypassMethods []string // whose requests only have protected headers removed
	Failure       Failure
	Challenge     string // of a 401, without the error (RFC 9110 section 11.6.1)
}

// TokenConfig is where a token comes from, and how long it is kept.
type TokenConfig struct {
	Service  *tokenservice.Service
	Cache    *Cache   // nil: one token call per request
	Identity [16]byte // of everything its tokens depend on
	Named    []*Named // tokens that its calls refer to, in the order of Service.Links

	definition *definition // of a named token
}

// Named is a named token, which calls refer to.
type Named struct {
	TokenConfig
	Name  string
	chain []string // names of the longest chain that starts with it
}

// Features are the features of the file that reads the configuration.
type Features struct {
	Redis bool // sharing tokens with other gateways
}

// Parse reads a configuration. The error is *schema.Errors, which lists everything wrong and never a secret.
func Parse(data []byte, env schema.LookupEnv, features Features) (*Config, error) {
	global := schema.Parse(data, Root, env)
	listed, hasRules := global.Own(RulesKey)
	c, r := &Config{}, newReader(global, features)
	if global.HasOwnKeys() || !hasRules {
		c.Global = r.part(global, r.tokens)
	}
	if hasRules {
		c.Rules = r.rules(listed, global)
	}
	r.warnOfUnused(c.parts())
	c.checkRedis(global)
	c.Warnings, c.Unchecked = global.Warnings(), global.Unchecked()
	if err := global.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// checkRedis reports parts that connect to the same Redis differently. The Higress host has one client per cluster,
// which each user reconfigures: they would overwrite each other's password and database, and break each other's
// connections.
func (c *Config) checkRedis(global schema.Section) {
	connections := map[string]share.Connection{}
	checkToken := func(s schema.Section, token *TokenConfig) {
		if token.Cache == nil || token.Cache.Redis == nil {
			return
		}
		redis := token.Cache.Redis
		address := fmt.Sprintf("%s:%d", redis.ServiceName, redis.ServicePort)
		if known, isKnown := connections[address]; isKnown && known != redis.Connection {
			s.Fail("invalid %s in config: username, password, database or timeout differ from those of another part with %s (want the same: the gateway has one client for it)", keyCache.Name+"."+share.RedisKey.Name, address)
			return
		}
		connections[address] = redis.Connection
	}
	check := func(s schema.Section, p *Part) {
		if p != nil && p.Enabled {
			p.Each(func(_ string, token *TokenConfig) { checkToken(s, token) })
		}
	}
	check(global, c.Global)
	for i, rule := range c.Rules {
		check(global.InRule(fmt.Sprintf("%s[%d]", RulesKey, i)), rule.Part)
	}
}

// Each visits a part's tokens: first its own, with an empty name, then each named token once.
func (t *TokenConfig) Each(visit func(name string, token *TokenConfig)) {
	t.each("", visit, map[*TokenConfig]bool{})
}

func (t *TokenConfig) each(name string, visit func(name string, token *TokenConfig), seen map[*TokenConfig]bool) {
	if seen[t] {
		return
	}
	seen[t] = true
	visit(name, t)
	for _, named := range t.Named {
		named.each(named.Name, visit, seen)
	}
}

// reader reads the parts of a configuration.
type reader struct {
	features Features
	global   schema.Section
	tokens   *namespace    // of the global part
	defined  []*definition // in all parts
}

func newReader(global schema.Section, features Features) *reader {
	r := &reader{features: features, global: global}
	r.tokens = r.define(global, nil)
	return r
}

// part reads one part, with what it inherits and the tokens that it may refer to.
func (r *reader) part(s schema.Section, tokens *namespace) *Part {
	s = s.WithTokens(tokens.names)
	_, isSet := s.Own(keyEnabled.Name)
	cache := s.Object(keyCache)
	p := &Part{
		// A rule does not inherit enabled: if the global part is disabled, it only provides defaults for the rules.
		Enabled:       !isSet || s.Bool(keyEnabled),
		Overwrite:     s.Bool(keyOverwrite),
		BypassMethods: readMethods(s),
	}
	p.Service = tokenservice.Read(s, tokenservice.Part{Enabled: p.Enabled, Cache: cache, IsCached: s.Has(keyCache)})
	if s.Has(keyCache) || tokenservice.AlwaysCaches(s) {
		p.Cache = readCache(cache, p.Enabled, r.features)
	}
	p.Identity = s.Identity()
	var redis *share.RedisConfig
	if p.Cache != nil {
		redis = p.Cache.Redis
	}
	if links := len(p.Service.Links()); links > maxLinks {
		s.Fail("invalid %s in config: a call refers to %d of them (want at most %d)", s.Name(keyTokens), links, maxLinks)
	}
	tokens.complete(&p.TokenConfig, redis, nil)
	if p.Enabled && !p.Overwrite && p.Service.ExchangesTokenHeader() {
		s.InvalidKey(keyOverwrite, "true: tokenHeader also carries the caller's token, so no request would ever be exchanged")
	}
	if p.Cache != nil && p.Cache.WarmUp && p.Enabled && p.Service.DependsOnCaller() {
		cache.InvalidKey(keyWarmUp, "false: tokens are per caller, so there is nothing to fetch ahead")
	}
	p.Failure = readFailure(s, p.Cache != nil)
	p.Challenge = readChallenge(s.Object(keyChallenge))
	if p.Enabled {
		for _, warning := range p.Service.Warnings() {
			s.Warn(warning)
		}
	}
	return p
}

// Cache is the object cache, except for token lifetimes, which are in Service.
type Cache struct {
	cache.Policy
	InvalidateOn   []int              // upstream statuses that reject a token; for a named token, statuses of the calls made with it
	InvalidateWhen []Rejection        // other responses that reject a token
	Shared         bool               // by the workers of the gateway
	Redis          *share.RedisConfig // shared with other gateways; nil: not shared
}

func readCache(s schema.Section, isEnabled bool, features Features) *Cache {
	c := &Cache{
		Policy:         cache.ReadPolicy(s),
		InvalidateOn:   s.Ints(keyInvalidateOn),
		InvalidateWhen: readRejections(s),
		Shared:         s.Bool(keyShared),
	}
	c.WarmUp = s.Bool(keyWarmUp)
	switch {
	case !s.Has(share.RedisKey):
	case !features.Redis:
		s.Fail("invalid %s in config: this file does not support Redis, which only Higress offers to plugins (want main-redis.wasm)", s.Name(share.RedisKey))
	default:
		c.Redis = share.ReadRedisConfig(s.Object(share.RedisKey), isEnabled)
	}
	return c
}
