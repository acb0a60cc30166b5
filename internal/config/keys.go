package config

import (
	"slices"

	"token-fetch/internal/cache"
	"token-fetch/internal/schema"
	"token-fetch/internal/share"
	"token-fetch/internal/tokenservice"
)

// The keys with which Higress's control plane passes rules and their conditions. They are defined by wasm-go; a test in
// the root package compares the two.
const (
	RulesKey       = "_rules_"
	RouteKey       = "_match_route_"
	DomainKey      = "_match_domain_"
	ServiceKey     = "_match_service_"
	RoutePrefixKey = "_match_route_prefix_"
)

// PlainText is the content type of the plugin's own replies.
const PlainText = "text/plain; charset=utf-8"

// The keys that belong to neither the token service nor the cache.
var (
	keyEnabled       = &schema.Key{Name: "enabled", Kind: schema.Boolean, Default: true}
	keyOverwrite     = &schema.Key{Name: "overwrite", Kind: schema.Boolean, Default: true}
	keyBypassMethods = &schema.Key{Name: "bypassMethods", Kind: schema.TextList}

	keyInvalidateOn = &schema.Key{Name: "invalidateOn", Kind: schema.Integers, Want: "a list of statuses, 100 to 599", Default: []int{401}, Min: 100, Max: 599}
	// Dynamic metadata is how another filter, such as json_to_metadata, passes on what it found in the response.
	keyInvalidateWhen = &schema.Key{Name: "invalidateWhen", Kind: schema.Objects, Want: "a list of objects with status, grpcStatus, header and equals, or metadata and equals",
		Keys: []*schema.Key{keyWhenStatus, keyWhenGRPCStatus, keyWhenHeader, keyWhenMetadata, keyWhenEquals}}
	keyWhenStatus     = &schema.Key{Name: "status", Kind: schema.Integers, Want: "a list of statuses, 100 to 599", Min: 100, Max: 599}
	keyWhenGRPCStatus = &schema.Key{Name: "grpcStatus", Kind: schema.Integers, Want: "a list of gRPC's statuses, 1 to 16", Min: 1, Max: 16}
	keyWhenHeader     = &schema.Key{Name: "header", Kind: schema.Text}
	keyWhenMetadata   = &schema.Key{Name: "metadata", Kind: schema.Text}
	keyWhenEquals     = &schema.Key{Name: "equals", Kind: schema.TextOrList}

	keyShared = &schema.Key{Name: "shared", Kind: schema.Boolean, Default: true}
	keyWarmUp = &schema.Key{Name: "warmUp", Kind: schema.Boolean, Default: false}

	keyCache = &schema.Key{Name: "cache", Kind: schema.Object, Identity: true,
		Keys: slices.Concat(tokenservice.LifetimeKeys, cache.Keys, []*schema.Key{keyInvalidateOn, keyInvalidateWhen, keyShared, keyWarmUp, share.RedisKey})}
	// A named token goes into a call, and only that call's status can reject it.
	keyNamedCache = &schema.Key{Name: keyCache.Name, Kind: keyCache.Kind, Identity: true,
		Keys: slices.DeleteFunc(slices.Clone(keyCache.Keys), func(k *schema.Key) bool { return k == keyInvalidateWhen })}

	keyMode         = &schema.Key{Name: "mode", Kind: schema.Text, Default: "deny", OneOf: []string{"deny", "allow"}}
	keyStatus       = &schema.Key{Name: "status", Kind: schema.Integer, Default: 500, Min: 400, Max: 599}
	keyBody         = &schema.Key{Name: "body", Kind: schema.Text, Default: "http call failed", IsProse: true}
	keyContentType  = &schema.Key{Name: "contentType", Kind: schema.Text, Default: PlainText}
	keyReplyHeaders = &schema.Key{Name: "headers", Kind: schema.TextMap, FoldCase: true}

	// For the plugin's own 401 (RFC 6750 section 3, RFC 9728 section 5.1).
	keyChallenge        = &schema.Key{Name: "challenge", Kind: schema.Object, Keys: []*schema.Key{keyResourceMetadata, keyChallengeScope, keyRealm}}
	keyResourceMetadata = &schema.Key{Name: "resourceMetadata", Kind: schema.Text}
	keyChallengeScope   = &schema.Key{Name: "scope", Kind: schema.Text}
	keyRealm            = &schema.Key{Name: "realm", Kind: schema.Text, Default: "token-fetch"}

	// Each named token's identity is part of the identity of whatever refers to it.
	keyTokens = &schema.Key{Name: "tokens", Kind: schema.ObjectMap, Keys: slices.Concat(tokenservice.NamedKeys, []*schema.Key{keyNamedCache})}

	keyFailure = &schema.Key{Name: "failure", Kind: schema.Object, Keys: []*schema.Key{keyMode, keyStatus, keyBody, keyContentType, keyReplyHeaders}}
)

// Root is the configuration itself: the global part, and each rule.
var Root = &schema.Key{Kind: schema.Object,
	Keys: slices.Concat(tokenservice.Keys, []*schema.Key{keyTokens, keyEnabled, keyOverwrite, keyBypassMethods, keyCache, keyFailure, keyChallenge})}
