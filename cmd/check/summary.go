package main

import (
	"fmt"
	"slices"
	"strings"

	"token-fetch/internal/config"
	"token-fetch/internal/rules"
	"token-fetch/internal/tokenservice"
)

// summary describes what a configuration does.
type summary struct {
	rules    []described // in their order
	rest     string      // effect on requests that match no rule
	clusters []string    // that the gateway must have
}

// described is a rule and its effect on matching requests.
type described struct{ matches, effect string }

func summarize(c *config.Config) summary {
	s := summary{rest: leftAlone}
	for _, r := range c.Rules {
		s.rules = append(s.rules, described{conditions(r.Rule), effect(r.Part)})
	}
	if c.Global != nil {
		s.rest = effect(c.Global)
	}
	for _, t := range targets(c) {
		s.clusters = append(s.clusters, t.cluster)
	}
	slices.Sort(s.clusters)
	s.clusters = slices.Compact(s.clusters)
	return s
}

const leftAlone = "left alone"

// conditions lists a rule's conditions in the order in which the plugin checks them, without those that it ignores.
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

// effect describes what the part does to requests.
func effect(p *config.Part) string {
	if !p.Enabled {
		return leftAlone
	}
	how := "a call for each request"
	if p.Cache != nil {
		how = "cached"
	}
	return fmt.Sprintf("%s %s, %s%s", p.Service.TokenHeader(), origin(p.Service), how, chain(p.Named))
}

// origin describes where a token comes from.
func origin(s *tokenservice.Service) string {
	if s.IsSigned() {
		return "signed by the plugin"
	}
	return "from " + s.ClusterName()
}

// chain lists the named tokens that a call refers to, with their origins and the tokens that their own calls refer to.
func chain(named []*config.Named) string {
	var links []string
	for _, n := range named {
		links = append(links, fmt.Sprintf("token %s %s%s", n.Name, origin(n.Service), chain(n.Named)))
	}
	if len(links) == 0 {
		return ""
	}
	return " ← " + strings.Join(links, " and ")
}
