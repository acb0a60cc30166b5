package tokenservice

import (
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"token-fetch/internal/schema"
)

// environment stands for the VM's in tests.
func environment(name string) (string, bool) {
	value, ok := map[string]string{"NAME": "value", "SECRET": "s3cr3t", "EMPTY": "", "NEWLINE": "a\nb", "HEADER": "X-Tenant", "ODD": `a"b&c%d`, "BASE": "/base/v1", "NUMBER": "5"}[name]
	return value, ok
}

const sampleJSON = `{"serviceName": "token.dns", "servicePort": 8080, "requestPath": "/token", "tokenHeader": "X-Token"}`

// extended is the sample's configuration with more keys.
func extended(more string) string {
	return strings.TrimSuffix(sampleJSON, "}") + ", " + more + "}"
}

// withKey is the sample's configuration with another value of one of its keys.
func withKey(key string) string {
	name, _, _ := strings.Cut(key, ":")
	var kept []string
	for _, own := range strings.Split(strings.Trim(sampleJSON, "{}"), ", ") {
		if !strings.HasPrefix(own, name+":") {
			kept = append(kept, own)
		}
	}
	return "{" + strings.Join(append(kept, key), ", ") + "}"
}

// exchange has the keys of a token exchange.
const exchange = `"clientId": "id", "clientSecret": "s3cr3t", "grantType": "urn:ietf:params:oauth:grant-type:token-exchange"`

// delegation has those of one with an actor, and jwtBearer those of a caller's token as a grant.
const (
	delegation = exchange + `, "actorTokenHeader": "X-Actor"`
	jwtBearer  = `"clientId": "id", "clientSecret": "s3cr3t", "grantType": "urn:ietf:params:oauth:grant-type:jwt-bearer"`
)

// oauth2Config has these keys in oauth2, and more keys next to it, after a comma.
func oauth2Config(oauth2, more string) string {
	return `{"serviceName": "idp.dns", "requestPath": "/token", "oauth2": {` + oauth2 + `}` + more + `}`
}

// keyCache is the object that has the lifetimes; its other keys belong to others.
var keyCache = &schema.Key{Name: "cache", Kind: schema.Object, Keys: LifetimeKeys}

// parse is a configuration that may refer to the tokens login and other.
func parse(config string) schema.Section {
	root := &schema.Key{Kind: schema.Object, Keys: append([]*schema.Key{keyCache}, Keys...)}
	return schema.Parse([]byte(config), root, environment).WithTokens(map[string]bool{"login": true, "other": true})
}

// readPart also returns what has the error and the warnings.
func readPart(config string, isEnabled bool) (*Service, schema.Section) {
	s := parse(config)
	return Read(s, Part{Enabled: isEnabled, Cache: s.Object(keyCache), IsCached: s.Has(keyCache)}), s
}

// readRule is readPart for a rule over a global part.
func readRule(global, rule string) (*Service, schema.Section) {
	s := parse(global).Override(gjson.Parse(rule))
	return Read(s, Part{Enabled: true, Cache: s.Object(keyCache), IsCached: s.Has(keyCache)}), s
}

func read(config string) (*Service, error) {
	service, s := readPart(config, true)
	return service, s.Err()
}

func mustRead(t testing.TB, config string) *Service {
	t.Helper()
	service, err := read(config)
	if err != nil {
		t.Fatalf("%s: %v", config, err)
	}
	return service
}

// callerWith is a caller whose request brings nothing but these tokens to be exchanged.
func callerWith(s *Service, tokens ...string) *Caller {
	var to []byte
	for i, token := range tokens {
		to = appendValue(to, i, token)
	}
	return s.Caller(to)
}

// now is the time of the tests' calls.
var now = time.Unix(1795435200, 0)

func mustCall(t testing.TB, s *Service, c *Caller) Call {
	t.Helper()
	call, err := s.Call(c, nil, nil, now)
	if err != nil {
		t.Fatalf("the call can't be made: %v", err)
	}
	return call
}

// What headers must be; the texts are public.
const (
	settable    = "the name of a header that may be set: letters, digits and -_.!#$%&'*+^`|~, and not one of the connection's own"
	headerValue = "a header value: no control characters"
)

type errorCase struct{ config, want string }

// checkErrors checks the error of each configuration, word by word: operators search for them.
func checkErrors(t *testing.T, tests map[string]errorCase) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := read(test.config)
			if err == nil {
				t.Fatalf("no error, expected %q", test.want)
			}
			if err.Error() != test.want {
				t.Errorf("got      %q\nexpected %q", err, test.want)
			}
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("the error shows a secret: %q", err)
			}
		})
	}
}
