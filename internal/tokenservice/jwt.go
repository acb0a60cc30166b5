package tokenservice

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"token-fetch/internal/schema"
	"token-fetch/internal/template"
	"token-fetch/internal/token"
)

// signedToken configures a JWT that the plugin signs itself.
type signedToken struct {
	header   string            // encoded
	claims   template.Template // a JSON object
	adds     []string          // iat, exp and jti, unless claims has them
	lifetime time.Duration
	key      signingKey
	wrapping
}

// isSigned reports whether the section signs its tokens. A rule that sets one source of tokens does not inherit
// another.
func (r reader) isSigned() bool {
	isCall := r.sets(keyServiceName) || r.sets(keyServiceCluster)
	switch _, isSigned := r.Own(keyJWT.Name); {
	case isSigned && isCall:
		r.InvalidKey(keyJWT, "either it, or a token service")
		return true
	case isSigned:
		return true
	case isCall:
		return false
	default:
		return r.Has(keyJWT)
	}
}

// signed reads the configuration of a signed token.
func (r reader) signed(part Part) *Service {
	for _, k := range Keys {
		if _, isOwn := r.Own(k.Name); isOwn && k != keyJWT && k != keyTokenHeader && k != keyTokenPrefix && k != keyTokenSuffix && k != keyBasicAuth && !r.sets(keyServiceName) && !r.sets(keyServiceCluster) {
			r.Unused(k, "no token service is called where "+keyJWT.Name+" signs the token")
		}
	}
	o := reader{r.Object(keyJWT), r.isEnabled, r.isNamed}
	token := r.tokenHeader(true)
	s := &Service{
		// Inherited upstreamHeaders get no value here, and must not be left to the client either.
		Protected: append([]string{token}, names(r.upstreamHeaders(token))...),
		Timeout:   time.Millisecond, // no call is made
		lifetimes: readLifetimes(part.Cache, false),
		isCached:  true,
		jwt:       &signedToken{lifetime: o.Seconds(keyLifetime), claims: o.claims()},
	}
	for _, name := range []string{"iat", "exp", "jti"} {
		if !gjson.Get(s.jwt.claims.Skeleton(), name).Exists() {
			s.jwt.adds = append(s.jwt.adds, name)
		}
	}
	s.jwt.key = o.signingKey()
	if s.jwt.key.sign != nil {
		s.jwt.header = encodeJWT(jsonObject(o.addConfiguredHeader(o.joseHeader(s.jwt.key))))
	}
	r.checkWrapping(responseReader{})
	if !r.isNamed {
		s.jwt.wrapping = r.wrapping(bearerPrefix)
	}
	if s.jwt.isBasic && !strings.Contains(s.jwt.prefix+s.jwt.suffix, ":") {
		r.InvalidKey(keyBasicAuth, "false, or in "+keyTokenPrefix.Name+" or "+keyTokenSuffix.Name+" the colon between user and password")
	}
	s.readInputs()
	return s
}

func (r reader) signingKey() signingKey {
	switch {
	case r.Has(keySecret) && r.Has(keyPrivateKey):
		r.InvalidKey(keySecret, "either it or "+keyPrivateKey.Name)
		return signingKey{}
	case r.Has(keySecret):
		if _, isOwn := r.Own(keyAlgorithm.Name); isOwn {
			r.InvalidKey(keyAlgorithm, "none with "+keySecret.Name+", which signs by HS256")
		}
		return r.secretKey(keySecret, r.decodedSecret(), "")
	case !r.Has(keyPrivateKey) && r.isEnabled:
		r.Fail("missing %s in config (want it, or %s for HS256)", r.Name(keyPrivateKey), keySecret.Name)
		return signingKey{}
	default:
		return r.privateKey(keyAlgorithm)
	}
}

// decodedSecret returns the bytes of the secret, which services that generate it often show encoded.
func (r reader) decodedSecret() string {
	secret, encoding := r.required(keySecret), r.String(keyEncoding)
	decoded, err := []byte(secret), error(nil)
	switch encoding {
	case encodingBase64:
		decoded, err = schema.DecodeBase64(secret)
	case encodingHex:
		decoded, err = hex.DecodeString(secret)
	}
	if err != nil {
		r.InvalidKey(keySecret, encoding+", according to "+keyEncoding.Name)
		return ""
	}
	return string(decoded)
}

// addConfiguredHeader adds the configured header fields. They can't replace what the key determines.
func (r reader) addConfiguredHeader(members [][2]string) [][2]string {
	for _, more := range r.Members(keyJOSEHeader) {
		isKnown := false
		for i, known := range members {
			if known[0] == more.Name {
				isKnown = true
				members[i][1] = more.Value
			}
		}
		switch {
		case more.Name == "alg" || more.Name == "kid":
			r.Fail("invalid %s in config: another key sets it", r.Name(keyJOSEHeader, more.Name))
		case !isKnown:
			members = append(members, [2]string{more.Name, more.Value})
		}
	}
	return members
}

// claims reads the claims. Their values may have references, their names may not.
func (r reader) claims() template.Template {
	text := r.JSON(keyClaims)
	if text.IsEmpty() {
		return template.Literal("{}")
	}
	if !schema.ValidJSON([]byte(text.Skeleton())) {
		r.Fail("invalid %s in config: with its variables it is not JSON (want them inside strings)", r.Name(keyClaims))
	}
	written, _ := r.Merged(keyClaims)
	if hasReferenceInName(written) {
		r.Fail("invalid %s in config: a claim's name has a ${…} (want it in values only)", r.Name(keyClaims))
	}
	return text
}

func hasReferenceInName(value gjson.Result) (has bool) {
	if !value.IsObject() && !value.IsArray() {
		return false
	}
	value.ForEach(func(name, inner gjson.Result) bool {
		has = has || strings.Contains(name.String(), "${") && value.IsObject() || hasReferenceInName(inner)
		return !has
	})
	return has
}

// IsSigned reports whether Sign creates the tokens instead of a service.
func (s *Service) IsSigned() bool { return s.jwt != nil }

// Sign creates a token. Its arguments and errors are those of Call.
func (s *Service) Sign(c *Caller, named []string, now time.Time) (token.Token, error) {
	claims, err := s.jwt.claims.Render((&values{service: s, caller: c, named: named}).find)
	if err != nil {
		return token.Token{}, err
	}
	claims = strings.TrimSpace(claims)
	lifetime := s.jwt.lifetime
	added := map[string]string{"iat": unixSeconds(now), "exp": unixSeconds(now.Add(lifetime)), "jti": `"` + rand.Text() + `"`}
	for _, name := range s.jwt.adds {
		separator := ","
		if strings.TrimSpace(claims[1:len(claims)-1]) == "" {
			separator = ""
		}
		claims = claims[:len(claims)-1] + separator + `"` + name + `":` + added[name] + "}"
	}
	signed, err := s.jwt.key.jwt(s.jwt.header, claims)
	if err != nil {
		return token.Token{}, err
	}
	if len(signed) > maxTokenBytes {
		return token.Token{}, s.jwt.tooLong(len(signed))
	}
	t := token.Token{Values: make([]string, len(s.Protected)), Lifetime: lifetime}
	t.Values[0] = s.jwt.around(signed)
	if exp := gjson.Get(claims, "exp"); exp.Type == gjson.Number {
		t.Lifetime = min(max(instant(exp.Num).Sub(now), 0), schema.MaxSeconds*time.Second)
	}
	if s.lifetimes.maxTTL > 0 {
		t.Lifetime = min(t.Lifetime, s.lifetimes.maxTTL)
	}
	s.limitToCaller(&t, c, now)
	return t, nil
}

// tooLong returns the error for an oversized token. If a claim comes from the request, it is the client's fault, and
// others are not affected.
func (j *signedToken) tooLong(size int) error {
	for _, origin := range j.claims.Origins() {
		if origin.IsRequest() {
			return &MissingError{Origin: origin}
		}
	}
	return fmt.Errorf("signs a token of %d bytes (want at most %d)", size, maxTokenBytes)
}
