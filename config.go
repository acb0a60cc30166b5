package main

import (
	"fmt"
	"slices"

	"github.com/higress-group/wasm-go/pkg/matcher"

	"token-fetch/internal/abi"
	"token-fetch/internal/cache"
	"token-fetch/internal/fleet"
	"token-fetch/internal/rules"
	"token-fetch/internal/schema"
	"token-fetch/internal/tokenservice"
)

// The keys that belong to neither the token service nor the cache.
var (
	keyEnabled   = &schema.Key{Name: "enabled", Kind: schema.Boolean, Default: true}
	keyOverwrite = &schema.Key{Name: "overwrite", Kind: schema.Boolean, Default: true}

	keyInvalidateOn = &schema.Key{Name: "invalidateOn", Kind: "a list of statuses, 100 to 599", Default: []int{401}}
	keyShared       = &schema.Key{Name: "shared", Kind: schema.Boolean, Default: true}
	keyWarmUp       = &schema.Key{Name: "warmUp", Kind: schema.Boolean, Default: false}

	keyCache = &schema.Key{Name: "cache", Kind: schema.Object, Identity: true,
		Keys: slices.Concat(tokenservice.LifetimeKeys, cache.Keys, []*schema.Key{keyInvalidateOn, keyShared, keyWarmUp, fleet.Key})}

	// keyRoot is the configuration itself: the global part, and each rule.
	keyRoot = &schema.Key{Kind: schema.Object,
		Keys: slices.Concat(tokenservice.Keys, []*schema.Key{keyEnabled, keyOverwrite, keyCache, keyFailure})}
)

// config is a plugin configuration that has been found good: the global part
// and the rules in their order.
type config struct {
	global   *part // nil when requests that match no rule are left alone
	rules    []*rule
	warnings []string
}

// conditions are those of the rules, in their order.
func (c *config) conditions() []rules.Rule {
	var of []rules.Rule
	for _, r := range c.rules {
		of = append(of, r.Rule)
	}
	return of
}

// part is what the global part or one rule says about its requests.
type part struct {
	enabled   bool // false: its requests are left alone
	overwrite bool // false: a client's own token header goes on upstream
	service   *tokenservice.Service
	cache     *cachePolicy // nil: a token call for every request
	failure   failurePolicy
	identity  cache.Key // of what its tokens depend on

	callerHeaders []callerHeader
}

// cachePolicy is the key cache, but for how long tokens live.
type cachePolicy struct {
	cache.Policy
	invalidateOn []int         // statuses of the upstream that reject a token
	shared       bool          // by the workers of the gateway
	redis        *fleet.Config // of the gateways that share tokens; nil: this one is by itself
}

// parseConfig reads what the gateway has configured. The error names the first
// key that is wrong, wherever it stands, and never a secret's value.
func parseConfig(data []byte, env schema.LookupEnv) (*config, error) {
	global := schema.Parse(data, keyRoot, env)
	listed, hasRules := global.Own(matcher.RULES_KEY)
	parsed := &config{}
	if global.Err() == nil && (global.HasOwnKeys() || !hasRules) {
		parsed.global = readPart(global)
	}
	if global.Err() == nil && hasRules {
		parsed.rules = readRules(listed, global)
	}
	parsed.warnings = global.Warnings()
	return parsed, global.Err()
}

// readPart reads one part, with what it inherits.
func readPart(s schema.Section) *part {
	_, isSet := s.Own(keyEnabled.Name)
	cache := s.Object(keyCache)
	hasCache := s.Has(keyCache)
	p := &part{
		// enabled is the one key that a rule does not inherit: with a global
		// false, the global part is only what the rules inherit.
		enabled:   !isSet || s.Bool(keyEnabled),
		overwrite: s.Bool(keyOverwrite),
	}
	p.service = tokenservice.Read(s, tokenservice.Part{Enabled: p.enabled, Cache: cache, IsCached: hasCache})
	if p.enabled && !p.overwrite && p.service.ExchangesTokenHeader() {
		s.Wrong(keyOverwrite, "true where the tokenHeader brings the token to be exchanged, which no request would otherwise be")
	}
	if hasCache || tokenservice.IsOAuth2(s) {
		p.cache = readCachePolicy(cache, p.service, p.enabled)
		if p.cache.WarmUp && p.enabled && p.service.DependsOnCaller() {
			cache.Wrong(keyWarmUp, "false where tokens depend on the caller, whom nobody knows before the request")
		}
	}
	p.failure = readFailurePolicy(s, p.cache != nil)
	p.identity = s.Identity()
	p.callerHeaders = callerHeaders(p.service)
	return p
}

// hostGrace is how much later than its timeout a call is given up that the host
// has not answered at all.
const hostGrace = tickPeriod * 10

// workerGrace is how much later than its timeout another worker's call is waited for: that worker hears of the
// timeout first, and then tells the others.
const workerGrace = tickPeriod

func readCachePolicy(s schema.Section, service *tokenservice.Service, isEnabled bool) *cachePolicy {
	policy := &cachePolicy{
		Policy:       cache.ReadPolicy(s),
		invalidateOn: readStatuses(s, keyInvalidateOn),
		shared:       s.Bool(keyShared),
	}
	policy.Values = len(service.Protected)
	policy.Timeout = service.Timeout + hostGrace
	policy.WarmUp = s.Bool(keyWarmUp)
	policy.Patience = service.Timeout + workerGrace
	if s.Has(fleet.Key) {
		policy.redis = readRedis(s, isEnabled)
		policy.Patience = fleet.MaxWait(service.Timeout) + workerGrace
		policy.Timeout = fleet.MaxWait(service.Timeout) + hostGrace
	}
	return policy
}

// readRedis reads the object cache.redis.
func readRedis(cache schema.Section, isEnabled bool) *fleet.Config {
	if !abi.HasRedis {
		cache.Fail("invalid %s in config: this file has no Redis, which only Higress offers to plugins (want main-redis.wasm)", cache.Name(fleet.Key))
		return nil
	}
	return fleet.ReadConfig(cache.Object(fleet.Key), isEnabled)
}

func readStatuses(s schema.Section, k *schema.Key) []int {
	value, ok := s.Value(k)
	if !ok {
		return k.Default.([]int)
	}
	if !value.IsArray() {
		s.Invalid(k, value, string(k.Kind))
		return nil
	}
	statuses := []int{}
	for _, element := range value.Array() {
		status, isInteger := schema.WholeNumber(element)
		if !isInteger || status < 100 || status > 599 {
			s.Invalid(k, element, string(k.Kind))
		}
		statuses = append(statuses, int(status))
	}
	return statuses
}

// cacheIdentity tells apart parts that can't share a cache in the VM: other tokens, or kept in another way.
func (p *part) cacheIdentity() cache.Key {
	h := schema.NewHasher()
	h.Add(string(p.identity[:]), fmt.Sprintf("%+v", p.cache.Policy), fmt.Sprint(p.cache.invalidateOn, p.cache.shared),
		p.cache.redis.Identity(), fmt.Sprint(p.service.Retries))
	return h.Sum()
}
