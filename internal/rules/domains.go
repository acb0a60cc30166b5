package rules

import (
	"net/netip"
	"strings"
)

// authority is a request's :authority that means the same host to whoever reads it. It is in lower case, as hosts
// know no case (RFC 9110 section 4.2.3).
type authority struct {
	text string // host, host:port, [v6] or [v6]:port
	host string // without the port
}

// maxAuthority is the longest one in bytes: a domain name, a colon and a port.
const maxAuthority = 255 + len(":65535")

// parseAuthority refuses what two readers could take for different hosts: Envoy compares the whole text with the domains
// of its virtual hosts, and cuts its port off only where it is configured to.
func parseAuthority(text string) (a authority, ok bool) {
	host, port := text, ""
	if end := portStart(text); end >= 0 {
		host, port = text[:end], text[end:]
	}
	if len(text) > maxAuthority || !isHost(host) || port != "" && !isPort(port) {
		return authority{}, false
	}
	text = strings.ToLower(text)
	return authority{text, text[:len(host)]}, true
}

// Host is the host of an authority, in lower case and without its port. ok is false for what two readers could take for
// different hosts.
func Host(authority string) (host string, ok bool) {
	a, ok := parseAuthority(authority)
	return a.host, ok
}

// portStart is where the colon of the port is, which is none of an IPv6 address in brackets; negative without a port.
func portStart(text string) int {
	end := 0
	if strings.HasPrefix(text, "[") {
		end = strings.IndexByte(text, ']') + 1
	}
	if colon := strings.IndexByte(text[end:], ':'); colon >= 0 {
		return end + colon
	}
	return -1
}

func isHost(text string) bool {
	if inside, found := strings.CutPrefix(text, "["); found {
		inside, closed := strings.CutSuffix(inside, "]")
		address, err := netip.ParseAddr(inside)
		return closed && err == nil && address.Is6() && address.Zone() == ""
	}
	return isName(text)
}

// isName reports whether the text is labels with a dot between each two; one more may end it. Underscores are in names of
// containers and of services.
func isName(text string) bool {
	previous := byte('.')
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_':
		case c == '.' && previous != '.':
		default:
			return false
		}
		previous = c
	}
	return text != ""
}

// isPort reports whether the text is a colon and digits.
func isPort(text string) bool {
	digits, found := strings.CutPrefix(text, ":")
	return found && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// DomainWanted is what IsDomain accepts, for errors.
const DomainWanted = "a host, optionally with * at one end and followed by :PORT, or :* for any port"

// IsDomain reports whether a rule can have the pattern as a domain.
func IsDomain(pattern string) bool {
	if len(pattern) > maxAuthority {
		return false
	}
	if host, found := strings.CutSuffix(pattern, ":*"); found {
		return isHost(host)
	}
	if suffix, found := strings.CutPrefix(pattern, "*"); found {
		host, _, _ := strings.Cut(suffix, ":")
		port := suffix[len(host):]
		// Envoy would find digits alone at the end of a port, too.
		return isName("a"+host) && (isPort(port) || port == "" && (host == "" || strings.Trim(host, "0123456789") != ""))
	}
	if prefix, found := strings.CutSuffix(pattern, "*"); found {
		return isName(prefix + "a")
	}
	_, ok := parseAuthority(pattern)
	return ok
}

// domainIndex finds the first rule with a domain of an authority. A domain matches what it would match as a domain of one of
// Envoy's virtual hosts; and one without a port matches every port that no rule's domain names.
type domainIndex struct {
	first             int // number of the first rule
	ofPort, ofAnyPort patternIndex
}

func newDomainIndex() domainIndex {
	return domainIndex{first: None, ofPort: newPatternIndex(), ofAnyPort: newPatternIndex()}
}

func (x *domainIndex) add(number int, domain string) {
	x.first = min(x.first, number)
	domain = strings.ToLower(domain)
	if portStart(domain) >= 0 {
		x.ofPort.add(number, domain)
	} else {
		x.ofAnyPort.add(number, domain)
	}
}

func (x *domainIndex) match(a authority) int {
	if a.host != a.text {
		if found := x.ofPort.match(a.text, a.text); found != None {
			return found
		}
	}
	return x.ofAnyPort.match(a.host, a.text)
}

// patternIndex has domains that are exact, or that others must begin or end with.
type patternIndex struct {
	exact              map[string]int
	suffixes, prefixes affixIndex
}

func newPatternIndex() patternIndex { return patternIndex{exact: map[string]int{}} }

func (x *patternIndex) add(number int, pattern string) {
	if suffix, found := strings.CutPrefix(pattern, "*"); found {
		x.suffixes.add(number, suffix)
		return
	}
	if prefix, found := strings.CutSuffix(pattern, "*"); found {
		x.prefixes.add(number, prefix)
		return
	}
	addFirst(x.exact, pattern, number)
}

// match compares exact domains and suffixes with a host, and prefixes with all of the authority, port included. As in
// Envoy, * is at least one character.
func (x *patternIndex) match(host, authority string) int {
	return min(find(x.exact, host), x.suffixes.matchEnd(host, len(host)-1), x.prefixes.matchStart(authority, len(authority)-1))
}
