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

// parts are the global one and those of the rules.
func (c *Config) parts() []*Part {
	parts := []*Part{c.Global}
	for _, rule := range c.Rules {
		parts = append(parts, rule.Part)
	}
	return parts
}

// Part is what the global part or one rule says about its requests.
type Part struct {
	Source
	Enabled       bool     // false: its requests are left alone
	Overwrite     bool     // false: a client's own token header goes on upstream
	BypassMethods []string // whose requests are left alone but for the headers that only the plugin may set
	Failure       Failure
	Challenge     string // what a 401 says beside the error (RFC 9110 section 11.6.1)
}

// Source is where a token comes from.
type Source struct {
	Service  *tokenservice.Service
	Cache    *Cache   // nil: a token call for every request
	Identity [16]byte // of what its tokens depend on
	Named    []*Named // tokens that its calls refer to, in the order of Service.Links

	definition *definition // of a named token
}

// Named is a token with a name, to which calls refer.
type Named struct {
	Source
	Name  string
	chain []string // of names, the longest that begins with it
}

// Features are what the file that reads the configuration can do.
type Features struct {
	Redis bool // share tokens with other gateways
}

// Parse reads a configuration. The error is *schema.Errors, which has all that is wrong, and never a secret's value.
func Parse(data []byte, env schema.LookupEnv, has Features) (*Config, error) {
	global := schema.Parse(data, Root, env)
	listed, hasRules := global.Own(RulesKey)
	c, r := &Config{}, newReader(global, has)
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

// checkRedis reports parts with one Redis that introduce themselves to it in different ways. The Higress host has one
// client for each cluster, which all of its users set up anew: each would take the other's password and database away,
// and break its connections.
func (c *Config) checkRedis(global schema.Section) {
	addresses := map[string]share.Connection{}
	checkSource := func(s schema.Section, of *Source) {
		if of.Cache == nil || of.Cache.Redis == nil {
			return
		}
		redis := of.Cache.Redis
		at := fmt.Sprintf("%s:%d", redis.ServiceName, redis.ServicePort)
		if known, isKnown := addresses[at]; isKnown && known != redis.Connection {
			s.Fail("invalid %s in config: another username, password, database or timeout for %s than elsewhere in it (want the same, as the gateway has one client for it)", keyCache.Name+"."+share.RedisKey.Name, at)
			return
		}
		addresses[at] = redis.Connection
	}
	check := func(s schema.Section, p *Part) {
		if p != nil && p.Enabled {
			p.Each(func(_ string, of *Source) { checkSource(s, of) })
		}
	}
	check(global, c.Global)
	for i, rule := range c.Rules {
		check(global.InRule(fmt.Sprintf("%s[%d]", RulesKey, i)), rule.Part)
	}
}

// Each visits the sources of a part's tokens, its own first, whose name is empty; a named token that several refer to once.
func (s *Source) Each(visit func(name string, of *Source)) { s.each("", visit, map[*Source]bool{}) }

func (s *Source) each(name string, visit func(name string, of *Source), seen map[*Source]bool) {
	if seen[s] {
		return
	}
	seen[s] = true
	visit(name, s)
	for _, named := range s.Named {
		named.each(named.Name, visit, seen)
	}
}

// reader reads the parts of a configuration.
type reader struct {
	has     Features
	global  schema.Section
	tokens  *namespace    // of the global part
	defined []*definition // of all parts
}

func newReader(global schema.Section, has Features) *reader {
	r := &reader{has: has, global: global}
	r.tokens = r.define(global, nil)
	return r
}

// part reads one part, with what it inherits and the tokens that it may refer to.
func (r *reader) part(s schema.Section, tokens *namespace) *Part {
	s = s.WithTokens(tokens.names)
	_, isSet := s.Own(keyEnabled.Name)
	cache := s.Object(keyCache)
	p := &Part{
		// A rule does not inherit enabled: with a global false, the global part is only what the rules inherit.
		Enabled:       !isSet || s.Bool(keyEnabled),
		Overwrite:     s.Bool(keyOverwrite),
		BypassMethods: readMethods(s),
	}
	p.Service = tokenservice.Read(s, tokenservice.Part{Enabled: p.Enabled, Cache: cache, IsCached: s.Has(keyCache)})
	if s.Has(keyCache) || tokenservice.KeepsTokens(s) {
		p.Cache = readCache(cache, p.Enabled, r.has)
	}
	p.Identity = s.Identity()
	var redis *share.RedisConfig
	if p.Cache != nil {
		redis = p.Cache.Redis
	}
	if links := len(p.Service.Links()); links > maxLinks {
		s.Fail("invalid %s in config: a call refers to %d of them (want at most %d)", s.Name(keyTokens), links, maxLinks)
	}
	tokens.complete(&p.Source, redis, nil)
	if p.Enabled && !p.Overwrite && p.Service.ExchangesTokenHeader() {
		s.InvalidKey(keyOverwrite, "true: tokenHeader also carries the caller's token, so no request would ever be exchanged")
	}
	if p.Cache != nil && p.Cache.WarmUp && p.Enabled && p.Service.DependsOnCaller() {
		cache.InvalidKey(keyWarmUp, "false: tokens are per caller, so there is nothing to fetch ahead")
	}
	p.Failure = readFailure(s, p.Cache != nil)
	p.Challenge = readChallenge(s.Object(keyChallenge))
	if p.Enabled {
		for _, doubt := range p.Service.Doubts() {
			s.Warn(doubt)
		}
	}
	return p
}

// Cache is the key cache, but for how long tokens live, which Service knows.
type Cache struct {
	cache.Policy
	InvalidateOn   []int              // statuses of the upstream that reject a token; of a named one, those of calls made with it
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
