package main

import (
	"fmt"
	"slices"
	"strings"

	"token-fetch/internal/config"
	"token-fetch/internal/rules"
	"token-fetch/internal/tokenservice"
)

// summary is what a configuration does.
type summary struct {
	rules    []described // in their order
	rest     string      // what becomes of requests that match no rule
	clusters []string    // that the gateway must have
	redis    []string    // of these, those of a fleet's Redis
}

// described is a rule and what becomes of its requests.
type described struct{ matches, effect string }

func summarize(c *config.Config) summary {
	s := summary{rest: leftAlone}
	for _, r := range c.Rules {
		s.rules = append(s.rules, described{conditions(r.Rule), s.effect(r.Part)})
	}
	if c.Global != nil {
		s.rest = s.effect(c.Global)
	}
	s.clusters = append(s.clusters, s.redis...)
	slices.Sort(s.clusters)
	s.clusters = slices.Compact(s.clusters)
	return s
}

const leftAlone = "left alone"

// conditions are in the order in which the plugin looks at them, without those that it does not heed.
func conditions(r rules.Rule) string {
	switch {
	case len(r.Routes) > 0 && len(r.Services) > 0:
		return "route " + strings.Join(r.Routes, ", ") + " and service " + strings.Join(r.Services, ", ")
	case len(r.Routes) > 0:
		return "route " + strings.Join(r.Routes, ", ")
	case len(r.Domains) > 0:
		return "domain " + strings.Join(r.Domains, ", ")
	case len(r.Services) > 0:
		return "service " + strings.Join(r.Services, ", ")
	default:
		return "route prefix " + strings.Join(r.RoutePrefixes, ", ")
	}
}

// effect is what becomes of the requests of a part.
func (s *summary) effect(p *config.Part) string {
	if !p.Enabled {
		return leftAlone
	}
	p.Each(func(_ string, of *config.Source) {
		if !of.Service.IsSigned() {
			s.clusters = append(s.clusters, of.Service.ClusterName())
		}
		if of.Cache != nil && of.Cache.Redis != nil {
			s.redis = append(s.redis, fmt.Sprintf("outbound|%d||%s", of.Cache.Redis.ServicePort, of.Cache.Redis.ServiceName))
		}
	})
	how := "a call for each request"
	if p.Cache != nil {
		how = "cached"
	}
	return fmt.Sprintf("%s %s, %s%s", p.Service.TokenHeader(), whence(p.Service), how, chain(p.Named))
}

// whence is where a token comes from.
func whence(s *tokenservice.Service) string {
	if s.IsSigned() {
		return "signed by the plugin"
	}
	return "from " + s.ClusterName()
}

// chain is what calls refer to: each named token, where it comes from, and what that call refers to.
func chain(named []*config.Named) string {
	var links []string
	for _, n := range named {
		links = append(links, fmt.Sprintf("token %s %s%s", n.Name, whence(n.Service), chain(n.Named)))
	}
	if len(links) == 0 {
		return ""
	}
	return " ← " + strings.Join(links, " and ")
}
