package rules

import (
	"slices"
	"strings"
)

// routeIndex indexes rules by exact route name, some of which also require a service.
type routeIndex struct {
	first  int // the lowest rule number
	byName map[string][]routeRule
}

type routeRule struct {
	number   int
	services *serviceIndex // nil: any
}

func (x *routeIndex) add(number int, r *Rule) {
	if x.byName == nil {
		x.byName = map[string][]routeRule{}
	}
	x.first = min(x.first, number)
	entry := routeRule{number: number}
	if len(r.Services) > 0 {
		services := newServiceIndex()
		services.add(number, r.Services)
		entry.services = &services
	}
	for _, name := range r.Routes {
		x.byName[name] = append(x.byName[name], entry)
	}
}

func (x *routeIndex) match(route string, below int, r Request) int {
	for _, rule := range x.byName[route] {
		if rule.number >= below {
			break
		}
		if rule.services == nil || rule.services.match(r.Cluster()) != None {
			return rule.number
		}
	}
	return None
}

// serviceIndex indexes rules by service FQDN, with or without port.
type serviceIndex struct {
	first  int
	byName map[string]int
}

func newServiceIndex() serviceIndex { return serviceIndex{first: None, byName: map[string]int{}} }

func (x *serviceIndex) add(number int, names []string) {
	x.first = min(x.first, number)
	for _, name := range names {
		addFirst(x.byName, name, number)
	}
}

// match takes a cluster name of the form outbound|PORT|SUBSET|FQDN. Other names match nothing.
func (x *serviceIndex) match(cluster string) int {
	if strings.Count(cluster, "|") != 3 {
		return None
	}
	_, rest, _ := strings.Cut(cluster, "|")
	port, rest, _ := strings.Cut(rest, "|")
	_, fqdn, _ := strings.Cut(rest, "|")
	return min(find(x.byName, fqdn), find(x.byName, fqdn+":"+port))
}

// prefixIndex indexes rules by route name prefix.
type prefixIndex struct {
	first    int
	prefixes affixIndex
}

func (x *prefixIndex) add(number int, prefix string) {
	x.first = min(x.first, number)
	x.prefixes.add(number, prefix)
}

func (x *prefixIndex) match(route string) int { return x.prefixes.matchStart(route, len(route)) }

// affixIndex finds prefixes or suffixes of a text, with one lookup per distinct length.
type affixIndex struct {
	lengths []int // ascending
	numbers map[string]int
}

func (x *affixIndex) add(number int, text string) {
	if x.numbers == nil {
		x.numbers = map[string]int{}
	}
	addFirst(x.numbers, text, number)
	if i, found := slices.BinarySearch(x.lengths, len(text)); !found {
		x.lengths = slices.Insert(x.lengths, i, len(text))
	}
}

// matchStart returns the first rule with a prefix of text that is at most longest bytes long.
func (x *affixIndex) matchStart(text string, longest int) int {
	found := None
	for _, length := range x.lengths {
		if length > longest {
			break
		}
		found = min(found, find(x.numbers, text[:length]))
	}
	return found
}

// matchEnd is matchStart for suffixes.
func (x *affixIndex) matchEnd(text string, longest int) int {
	found := None
	for _, length := range x.lengths {
		if length > longest {
			break
		}
		found = min(found, find(x.numbers, text[len(text)-length:]))
	}
	return found
}

// addFirst adds the text, unless an earlier rule has it.
func addFirst(numbers map[string]int, text string, number int) {
	if _, found := numbers[text]; !found {
		numbers[text] = number
	}
}

func find(numbers map[string]int, text string) int {
	if number, found := numbers[text]; found {
		return number
	}
	return None
}
