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
	// maxChain is how many named tokens may refer to one another in a row.
	maxChain = 4
	// maxLinks is how many a call may refer to.
	maxLinks = 8
	// maxWalk is how far a chain is followed to see whether it is a circle; whoever follows it for longer runs out of stack.
	maxWalk = 64
)

// definition is a named token before it is known to which tokens its references are: a rule may have others of their names.
type definition struct {
	name    string
	section schema.Section
	source  Source
	isUsed  bool
}

// namespace are the named tokens that a part may refer to. Rules that say nothing else have that of the global part.
type namespace struct {
	section     schema.Section // that has the tokens, for errors
	definitions map[string]*definition
	names       map[string]bool
	linked      map[linkedAs]*Named // nil: an error says why
	isWrong     bool                // all of them are found wanting once one is
}

// linkedAs is what a named token is linked for: it takes a Redis from the part, where it has none itself.
type linkedAs struct{ name, redis string }

// define reads the tokens that a section has, over those that it inherits.
func (r *reader) define(s schema.Section, inherited *namespace) *namespace {
	own := s.NamedObjects(keyTokens, template.NameChars)
	hasTokens := s.Has(keyTokens)
	if len(own) == 0 && hasTokens && inherited != nil {
		return inherited
	}
	n := &namespace{section: s, definitions: map[string]*definition{}, names: map[string]bool{}, linked: map[linkedAs]*Named{}}
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
		d.source = r.named(d.section)
		d.source.definition = d
	}
	for _, d := range read {
		n.link(d.name, nil, nil)
	}
	return n
}

// named reads a token with a name, which is always cached.
func (r *reader) named(s schema.Section) Source {
	cache := s.Object(keyNamedCache)
	return Source{
		Service:  tokenservice.Read(s, tokenservice.Part{Enabled: true, Cache: cache, IsCached: true, IsNamed: true}),
		Cache:    readCache(cache, true, r.has),
		Identity: s.Identity(),
	}
}

// complete completes a source by the tokens that its calls refer to. above are the names on the way to it. It reports false
// where an error says why that can't be.
func (n *namespace) complete(s *Source, redis *share.RedisConfig, above []string) bool {
	var services []*tokenservice.Service
	for _, name := range s.Service.Links() {
		named := n.link(name, redis, above)
		if named == nil {
			return false
		}
		s.Named = append(s.Named, named)
		services = append(services, named.Service)
	}
	s.Service = s.Service.Link(services)
	if len(s.Named) == 0 {
		return true
	}
	h := schema.NewHasher()
	h.Add(string(s.Identity[:]))
	for _, named := range s.Named {
		h.Add(named.Name, string(named.Identity[:]))
	}
	s.Identity = h.Sum()
	return true
}

// link is a named token with those that it refers to; nil where an error says why there is none.
func (n *namespace) link(name string, redis *share.RedisConfig, above []string) *Named {
	d := n.definitions[name]
	chain := append(slices.Clone(above), name)
	switch {
	case n.isWrong:
		return nil
	case d == nil && len(above) == 0:
		return nil // the part that refers to it has an error
	case d == nil:
		return n.fail("%s refers to %s, which is not there", shownName(above[len(above)-1]), shownName(name))
	case slices.Contains(above, name):
		return n.fail("they refer to one another in a circle: %s", shownChain(chain[slices.Index(above, name):]))
	case len(chain) > maxWalk:
		return n.failLength(chain)
	case len(d.source.Service.Links()) > maxLinks:
		return n.fail("%s refers to %d others (want at most %d)", shownName(name), len(d.source.Service.Links()), maxLinks)
	}
	as := linkedAs{name, redis.Identity()}
	if named, isLinked := n.linked[as]; isLinked {
		return named
	}
	named := &Named{Source: d.source, Name: name}
	if named.Cache.Redis == nil {
		cache := *named.Cache
		cache.Redis = redis
		named.Cache = &cache
	}
	if !n.complete(&named.Source, redis, chain) {
		return nil
	}
	named.chain = named.longest()
	if len(named.chain) > maxChain {
		return n.failLength(named.chain)
	}
	if named.Cache.WarmUp && named.Service.DependsOnCaller() {
		d.section.Object(keyNamedCache).InvalidKey(keyWarmUp, "false: tokens are per caller, so there is nothing to fetch ahead")
	}
	n.linked[as] = named
	return named
}

func (n *namespace) failLength(chain []string) *Named {
	return n.fail("%s is a chain of more than %d", shownChain(chain), maxChain)
}

func (n *namespace) fail(format string, args ...any) *Named {
	n.isWrong = true
	n.section.Fail("invalid %s in config: %s", n.section.Name(keyTokens), fmt.Sprintf(format, args...))
	return nil
}

// shownChain are names for an error, of which there may be too many.
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

// longest is the longest chain that begins with the token.
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
	seen := map[*Source]bool{}
	for _, p := range parts {
		if p == nil {
			continue
		}
		p.each("", func(_ string, of *Source) {
			if of.definition != nil {
				of.definition.isUsed = true
			}
		}, seen)
	}
	for _, d := range r.defined {
		if !d.isUsed {
			r.global.Warn(fmt.Sprintf("%s is not used: nothing has ${%s}", r.global.Name(keyTokens, d.name), template.Origin{Kind: template.Token, Name: d.name}))
		}
	}
}
