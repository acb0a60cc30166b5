package config

import (
	"net/url"
	"strings"

	"token-fetch/internal/schema"
)

// readChallenge builds the WWW-Authenticate value of a 401, without the error.
func readChallenge(s schema.Section) string {
	challenge := `Bearer realm="` + quoted(s, keyRealm, `no control characters, " or \`) + `"`
	if s.Has(keyChallengeScope) {
		challenge += `, scope="` + quoted(s, keyChallengeScope, `scopes with spaces between them, without " and \`) + `"`
	}
	if s.Has(keyResourceMetadata) {
		const want = "an absolute URL, https://HOST/PATH"
		text := quoted(s, keyResourceMetadata, want)
		if u, err := url.Parse(text); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.Fragment != "" {
			s.InvalidKey(keyResourceMetadata, want)
		}
		challenge += `, resource_metadata="` + text + `"`
	}
	return challenge
}

// quoted reads text that needs no escaping between quotes.
func quoted(s schema.Section, k *schema.Key, want string) string {
	text := s.String(k)
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) || text == "" {
		s.InvalidKey(k, want)
	}
	return text
}
