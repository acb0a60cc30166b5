package rules

import (
	"net/netip"
	"strings"
)

// authority is a request's :authority that every reader takes for the same host. It is in lower case, as hosts are
// case-insensitive (RFC 9110 section 4.2.3).
type authority struct {
	text string // host, host:port, [v6] or [v6]:port
	host string // without the port
}

// maxAuthority is the maximum length in bytes: a domain name, a colon and a port.
const maxAuthority = 255 + len(":65535")

// parseAuthority refuses what two readers could take for different hosts: Envoy compares the whole text with the
// domains of its virtual hosts, and strips the port only if configured to.
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

// Host returns the host of an authority, in lower case and without port. ok is false if two readers could take it for
// different hosts.
func Host(authority string) (host string, ok bool) {
	a, ok := parseAuthority(authority)
	return a.host, ok
}

// portStart returns the index of the colon before the port, skipping those of a bracketed IPv6 address; negative if
// there is no port.
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
	if address, found := strings.CutPrefix(text, "["); found {
		address, closed := strings.CutSuffix(address, "]")
		ip, err := netip.ParseAddr(address)
		return closed && err == nil && ip.Is6() && ip.Zone() == ""
	}
	return isName(text)
}

// isName reports whether the text is dot-separated labels, with an optional trailing dot. Underscores occur in the
// names of containers and services.
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

// isPort reports whether the text is a colon followed by digits.
func isPort(text string) bool {
	digits, found := strings.CutPrefix(text, ":")
	return found && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// DomainWanted describes what IsDomain accepts, for errors.
const DomainWanted = "a host, optionally with * at one end and followed by :PORT, or :* for any port"

// IsDomain reports whether pattern is valid as a rule's domain.
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
		// Envoy would match bare digits at the end of a port, too.
		return isName("a"+host) && (isPort(port) || port == "" && (host == "" || strings.Trim(host, "0123456789") != ""))
	}
	if prefix, found := strings.CutSuffix(pattern, "*"); found {
		return isName(prefix + "a")
	}
	_, ok := parseAuthority(pattern)
	return ok
}

// domainIndex finds the first rule with a domain that matches an authority. A domain matches what it would match as a
// virtual host's domain in Envoy. In addition, a domain without a port matches any port that no rule's domain names.
type domainIndex struct {
	first             int // the lowest rule number
	withPort, anyPort patternIndex
}

func newDomainIndex() domainIndex {
	return domainIndex{first: None, withPort: newPatternIndex(), anyPort: newPatternIndex()}
}

func (x *domainIndex) add(number int, domain string) {
	x.first = min(x.first, number)
	domain = strings.ToLower(domain)
	if portStart(domain) >= 0 {
		x.withPort.add(number, domain)
	} else {
		x.anyPort.add(number, domain)
	}
}

func (x *domainIndex) match(a authority) int {
	if a.host != a.text {
		if found := x.withPort.match(a.text, a.text); found != None {
			return found
		}
	}
	return x.anyPort.match(a.host, a.text)
}

// patternIndex indexes exact domains, suffixes and prefixes.
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

// match compares exact domains and suffixes with the host, and prefixes with the whole authority, port included. As in
// Envoy, * stands for at least one character.
func (x *patternIndex) match(host, authority string) int {
	return min(find(x.exact, host), x.suffixes.matchEnd(host, len(host)-1), x.prefixes.matchStart(authority, len(authority)-1))
}
