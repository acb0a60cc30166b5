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

// maxChain is how many named tokens may refer to one another in a row.
const maxChain = 4

// definition is a named token before it is known to which tokens its references are: a rule may have others of their names.
type definition struct {
	name    string
	section schema.Section
	source  Source
}

// definitions are those that a part may refer to, in the order in which they are written.
type definitions []*definition

func (all definitions) names() (names []string) {
	for _, d := range all {
		names = append(names, d.name)
	}
	return names
}

func (all definitions) find(name string) *definition {
	for _, d := range all {
		if d.name == name {
			return d
		}
	}
	return nil
}

// define reads the tokens that a section has, over those that it inherits.
func (r *reader) define(s schema.Section, inherited definitions) definitions {
	own := s.NamedObjects(keyTokens, template.NameChars)
	all := slices.DeleteFunc(slices.Clone(inherited), func(d *definition) bool {
		return slices.ContainsFunc(own, func(o schema.NamedObject) bool { return o.Name == d.name })
	})
	first := len(all)
	for _, o := range own {
		if !o.IsNull {
			all = append(all, &definition{name: o.Name, section: o.Section})
		}
	}
	for _, d := range all[first:] {
		d.section = d.section.WithTokens(all.names())
		d.source = r.named(d.section)
	}
	return all
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

// linker finds the tokens that the calls of one part refer to.
type linker struct {
	*reader
	section schema.Section
	tokens  definitions
	redis   *share.RedisConfig // of the part; nil: none
	linked  map[string]*Named
}

// link completes a source by the tokens that its calls refer to. above are the names on the way to it.
func (l *linker) link(s *Source, above []string) {
	var services []*tokenservice.Service
	for _, name := range s.Service.Links() {
		named := l.find(name, above)
		if named == nil {
			return // an error says why
		}
		s.Named = append(s.Named, named)
		services = append(services, named.Service)
	}
	s.Service = s.Service.Link(services)
	if len(s.Named) == 0 {
		return
	}
	h := schema.NewHasher()
	h.Add(string(s.Identity[:]))
	for _, named := range s.Named {
		h.Add(named.Name, string(named.Identity[:]))
	}
	s.Identity = h.Sum()
}

func (l *linker) find(name string, above []string) *Named {
	l.used[name] = true
	chain := append(slices.Clone(above), name)
	d := l.tokens.find(name)
	switch {
	case d == nil:
		return nil
	case slices.Contains(above, name):
		l.section.Fail("invalid %s in config: they refer to one another in a circle: %s", l.section.Name(keyTokens),
			strings.Join(chain[slices.Index(above, name):], " → "))
		return nil
	case len(chain) > maxChain:
		l.section.Fail("invalid %s in config: %s is a chain of more than %d", l.section.Name(keyTokens), strings.Join(chain, " → "), maxChain)
		return nil
	}
	if named, isLinked := l.linked[name]; isLinked && len(named.chain())+len(above) <= maxChain {
		return named
	}
	named := &Named{Source: d.source, Name: name}
	if named.Cache.Redis == nil {
		cache := *named.Cache
		cache.Redis = l.redis
		named.Cache = &cache
	}
	l.link(&named.Source, chain)
	if named.Cache.WarmUp && named.Service.DependsOnCaller() {
		d.section.Object(keyCache).Wrong(keyWarmUp, "false: tokens are per caller, so there is nothing to fetch ahead")
	}
	l.linked[name] = named
	return named
}

// chain is the longest one that begins with the token.
func (n *Named) chain() (names []string) {
	for _, next := range n.Named {
		if rest := next.chain(); len(rest) > len(names) {
			names = rest
		}
	}
	return append([]string{n.Name}, names...)
}

// warnOfUnused warns of tokens that nothing refers to.
func (r *reader) warnOfUnused() {
	for _, name := range r.tokens.names() {
		if !r.used[name] {
			r.global.Warn(fmt.Sprintf("%s is not used: nothing has ${%s}", r.global.Name(keyTokens, name), template.Origin{Kind: template.Token, Name: name}))
		}
	}
}
