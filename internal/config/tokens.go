package config

import (
	"fmt"
	"slices"
	"strings"

	"token-fetch/internal/schema"
	"token-fetch/internal/share"
	"token-fetch/internal/template"
	"token-fetch/internal/tokenservice"
)

const (
	// maxChain is how long a chain of named tokens may be.
	maxChain = 4
	// maxLinks is how many named tokens a call may refer to.
	maxLinks = 8
	// maxDepth is how far to follow a chain that may be circular: going on would exhaust the stack.
	maxDepth = 64
)

// definition is a named token whose references are not resolved yet: the same names may mean other tokens in a rule.
type definition struct {
	name    string
	section schema.Section
	config  TokenConfig
	isUsed  bool
}

// namespace is the set of named tokens that a part may refer to. Rules that define none use the global part's.
type namespace struct {
	section     schema.Section // that defines the tokens, for errors
	definitions map[string]*definition
	names       map[string]bool
	linked      map[linkKey]*Named // nil: an error says why
	isInvalid   bool               // one error makes all of them unusable
}

// linkKey identifies a linked token: one without its own Redis takes that of the part.
type linkKey struct{ name, redis string }

// define reads the tokens that a section defines, in addition to those it inherits.
func (r *reader) define(s schema.Section, inherited *namespace) *namespace {
	own := s.NamedObjects(keyTokens, template.NameChars)
	hasTokens := s.Has(keyTokens)
	if len(own) == 0 && hasTokens && inherited != nil {
		return inherited
	}
	n := &namespace{section: s, definitions: map[string]*definition{}, names: map[string]bool{}, linked: map[linkKey]*Named{}}
	if inherited != nil && hasTokens {
		for name, d := range inherited.definitions {
			n.definitions[name], n.names[name] = d, true
		}
	}
	var read []*definition
	for _, o := range own {
		delete(n.definitions, o.Name)
		delete(n.names, o.Name)
		if !o.IsNull {
			d := &definition{name: o.Name, section: o.Section}
			n.definitions[o.Name], n.names[o.Name] = d, true
			read = append(read, d)
		}
	}
	r.defined = append(r.defined, read...)
	for _, d := range read {
		d.section = d.section.WithTokens(n.names)
		d.config = r.named(d.section)
		d.config.definition = d
	}
	for _, d := range read {
		n.link(d.name, nil, nil)
	}
	return n
}

// named reads a named token, which is always cached.
func (r *reader) named(s schema.Section) TokenConfig {
	cache := s.Object(keyNamedCache)
	return TokenConfig{
		Service:  tokenservice.Read(s, tokenservice.Part{Enabled: true, Cache: cache, IsCached: true, IsNamed: true}),
		Cache:    readCache(cache, true, r.features),
		Identity: s.Identity(),
	}
}

// complete resolves the tokens that a token's calls refer to. above are the names on the way to it. It returns false
// if an error says why that is impossible.
func (n *namespace) complete(t *TokenConfig, redis *share.RedisConfig, above []string) bool {
	var services []*tokenservice.Service
	for _, name := range t.Service.Links() {
		named := n.link(name, redis, above)
		if named == nil {
			return false
		}
		t.Named = append(t.Named, named)
		services = append(services, named.Service)
	}
	t.Service = t.Service.Link(services)
	if len(t.Named) == 0 {
		return true
	}
	h := schema.NewHasher()
	h.Add(string(t.Identity[:]))
	for _, named := range t.Named {
		h.Add(named.Name, string(named.Identity[:]))
	}
	t.Identity = h.Sum()
	return true
}

// link returns a named token with its references resolved; nil if an error says why that is impossible.
func (n *namespace) link(name string, redis *share.RedisConfig, above []string) *Named {
	d := n.definitions[name]
	chain := append(slices.Clone(above), name)
	switch {
	case n.isInvalid:
		return nil
	case d == nil && len(above) == 0:
		return nil // reported by the part that refers to it
	case d == nil:
		return n.fail("%s refers to %s, which does not exist", shownName(above[len(above)-1]), shownName(name))
	case slices.Contains(above, name):
		return n.fail("circular references: %s", shownChain(chain[slices.Index(above, name):]))
	case len(chain) > maxDepth:
		return n.failLength(chain)
	case len(d.config.Service.Links()) > maxLinks:
		return n.fail("%s refers to %d others (want at most %d)", shownName(name), len(d.config.Service.Links()), maxLinks)
	}
	key := linkKey{name, redis.Identity()}
	if named, isLinked := n.linked[key]; isLinked {
		return named
	}
	named := &Named{TokenConfig: d.config, Name: name}
	if named.Cache.Redis == nil {
		cache := *named.Cache
		cache.Redis = redis
		named.Cache = &cache
	}
	if !n.complete(&named.TokenConfig, redis, chain) {
		return nil
	}
	named.chain = named.longest()
	if len(named.chain) > maxChain {
		return n.failLength(named.chain)
	}
	if named.Cache.WarmUp && named.Service.DependsOnCaller() {
		d.section.Object(keyNamedCache).InvalidKey(keyWarmUp, "false: tokens are per caller, so there is nothing to fetch ahead")
	}
	n.linked[key] = named
	return named
}

func (n *namespace) failLength(chain []string) *Named {
	return n.fail("%s is a chain of more than %d", shownChain(chain), maxChain)
}

func (n *namespace) fail(format string, args ...any) *Named {
	n.isInvalid = true
	n.section.Fail("invalid %s in config: %s", n.section.Name(keyTokens), fmt.Sprintf(format, args...))
	return nil
}

// shownChain formats names for an error, shortening a long list.
func shownChain(names []string) string {
	var shown []string
	for i, name := range names {
		switch {
		case i < 5 || i >= len(names)-2:
			shown = append(shown, shownName(name))
		case i == 5:
			shown = append(shown, "…")
		}
	}
	return strings.Join(shown, " → ")
}

func shownName(name string) string {
	const longest = 60
	if len(name) > longest {
		return name[:longest] + "..."
	}
	return name
}

// longest returns the longest chain that starts with the token.
func (n *Named) longest() []string {
	var rest []string
	for _, next := range n.Named {
		if len(next.chain) > len(rest) {
			rest = next.chain
		}
	}
	return append([]string{n.Name}, rest...)
}

// warnOfUnused warns of tokens that no part refers to.
func (r *reader) warnOfUnused(parts []*Part) {
	seen := map[*TokenConfig]bool{}
	for _, p := range parts {
		if p == nil {
			continue
		}
		p.each("", func(_ string, token *TokenConfig) {
			if token.definition != nil {
				token.definition.isUsed = true
			}
		}, seen)
	}
	for _, d := range r.defined {
		if !d.isUsed {
			r.global.Warn(fmt.Sprintf("%s is not used: nothing refers to ${%s}", r.global.Name(keyTokens, d.name), template.Origin{Kind: template.Token, Name: d.name}))
		}
	}
}
