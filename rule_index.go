package main

import (
	"math"
	"slices"
	"strings"
)

// facts are what rules may ask about a request; each answer costs a host call.
type facts interface {
	domain() string    // :authority without its port, in lower case
	routeName() string // as the gateway named it
	service() string   // the cluster's name
}

// ruleIndex finds the rule of a request without going through all of them. It decides
// as wasm-go's matcher does, which goes through all rules and asks the host for three values on
// every request; this one asks for what can still matter.
type ruleIndex struct {
	routes   routeIndex
	domains  textIndex
	services serviceIndex
	prefixes textIndex // of route names
}

// noRule is the number of a rule that does not match.
const noRule = math.MaxInt

func newRuleIndex(rules []*rule) *ruleIndex {
	x := &ruleIndex{routes: routeIndex{first: noRule}, domains: newTextIndex(), services: newServiceIndex(), prefixes: newTextIndex()}
	for i, r := range rules {
		switch {
		case len(r.routes) > 0:
			x.routes.add(i, r)
		case len(r.domains) > 0:
			for _, domain := range r.domains {
				x.domains.addPattern(i, domain)
			}
		case len(r.services) > 0:
			x.services.add(i, r.services)
		default:
			for _, prefix := range r.routePrefixes {
				x.prefixes.addPrefix(i, prefix)
			}
		}
	}
	return x
}

// match returns the number of the first rule that matches, counted from 0; noRule when
// none does and the global part applies.
func (x *ruleIndex) match(f facts) int {
	var route string
	found := noRule
	if x.domains.first < found {
		found = min(found, x.domains.match(f.domain()))
	}
	if x.routes.first < found || x.prefixes.first < found {
		route = f.routeName()
	}
	if x.prefixes.first < found {
		found = min(found, x.prefixes.match(route))
	}
	if x.routes.first < found {
		found = min(found, x.routes.match(route, found, f))
	}
	if x.services.first < found {
		found = min(found, x.services.match(f.service()))
	}
	return found
}

// routeIndex has the rules of exact route names, some of which hold for certain services only.
type routeIndex struct {
	first  int // number of the first rule
	byName map[string][]routeRule
}

type routeRule struct {
	number   int
	services *serviceIndex // nil: all
}

func (x *routeIndex) add(number int, r *rule) {
	if x.byName == nil {
		x.byName = map[string][]routeRule{}
	}
	x.first = min(x.first, number)
	entry := routeRule{number: number}
	if len(r.services) > 0 {
		services := newServiceIndex()
		services.add(number, r.services)
		entry.services = &services
	}
	for _, name := range r.routes {
		x.byName[name] = append(x.byName[name], entry)
	}
}

func (x *routeIndex) match(route string, below int, f facts) int {
	for _, r := range x.byName[route] {
		if r.number >= below {
			break
		}
		if r.services == nil || r.services.match(f.service()) != noRule {
			return r.number
		}
	}
	return noRule
}

// serviceIndex has services by their FQDN, with or without a port.
type serviceIndex struct {
	first  int
	byName map[string]int
}

func newServiceIndex() serviceIndex { return serviceIndex{first: noRule, byName: map[string]int{}} }

func (x *serviceIndex) add(number int, names []string) {
	x.first = min(x.first, number)
	for _, name := range names {
		addFirst(x.byName, name, number)
	}
}

// match compares with a cluster's name, outbound|PORT|SUBSET|FQDN.
func (x *serviceIndex) match(cluster string) int {
	if strings.Count(cluster, "|") != 3 {
		return noRule
	}
	_, rest, _ := strings.Cut(cluster, "|")
	port, rest, _ := strings.Cut(rest, "|")
	_, fqdn, _ := strings.Cut(rest, "|")
	return min(find(x.byName, fqdn), find(x.byName, fqdn+":"+port))
}

// textIndex has texts that are exact, or that another must begin or end with.
type textIndex struct {
	first              int
	exact              map[string]int
	suffixes, prefixes affixIndex
}

func newTextIndex() textIndex {
	return textIndex{first: noRule, exact: map[string]int{}}
}

// addPattern adds a domain: exact, or with * at one end.
func (x *textIndex) addPattern(number int, pattern string) {
	x.first = min(x.first, number)
	if rest, found := strings.CutPrefix(pattern, "*"); found {
		x.suffixes.add(number, rest)
		return
	}
	if rest, found := strings.CutSuffix(pattern, "*"); found {
		x.prefixes.add(number, rest)
		return
	}
	addFirst(x.exact, pattern, number)
}

func (x *textIndex) addPrefix(number int, prefix string) {
	x.first = min(x.first, number)
	x.prefixes.add(number, prefix)
}

func (x *textIndex) match(text string) int {
	found := find(x.exact, text)
	for _, length := range x.suffixes.lengths {
		if length > len(text) {
			break
		}
		found = min(found, find(x.suffixes.numbers, text[len(text)-length:]))
	}
	for _, length := range x.prefixes.lengths {
		if length > len(text) {
			break
		}
		found = min(found, find(x.prefixes.numbers, text[:length]))
	}
	return found
}

// affixIndex finds texts by the few lengths that they have.
type affixIndex struct {
	lengths []int // ascending
	numbers map[string]int
}

func (x *affixIndex) add(number int, text string) {
	if x.numbers == nil {
		x.numbers = map[string]int{}
	}
	addFirst(x.numbers, text, number)
	if at, found := slices.BinarySearch(x.lengths, len(text)); !found {
		x.lengths = slices.Insert(x.lengths, at, len(text))
	}
}

// addFirst keeps the first rule of a text.
func addFirst(numbers map[string]int, text string, number int) {
	if _, found := numbers[text]; !found {
		numbers[text] = number
	}
}

func find(numbers map[string]int, text string) int {
	if number, found := numbers[text]; found {
		return number
	}
	return noRule
}
