package tokenservice

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"token-fetch/internal/schema"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// assertionLifetime is all that a call needs; a longer one would be of use to whoever gets hold of it.
	assertionLifetime = 60 * time.Second
)

// errUnsigned is all that is said of a signature that fails: what the library says could tell of the key.
var errUnsigned = errors.New("can't be called: the client's assertion can't be signed")

// assertion is a JWT by which the client proves who it is without sending its secret (RFC 7523 section 2.2). Each
// call bears one of its own, as servers take a jti only once.
type assertion struct {
	header   string // encoded
	client   string // the client's id
	audience string // empty: not known yet, see forEndpoint
	key      signingKey
}

// signingKey signs the header and the claims of a JWT, as RFC 7518 section 3 has it for the algorithm.
type signingKey struct {
	algorithm  string
	sign       func(message []byte) (signature []byte, err error)
	thumbprint [2]string // name and value of the header member that names the key's certificate; empty: it has none
}

// assertion reads what its header says; nil without a key.
func (r reader) assertion(client string, key signingKey) *assertion {
	header, audience := r.joseHeader(key), r.String(keyAssertionAudience)
	if key.sign == nil {
		return nil
	}
	return &assertion{header: encodeJWT(jsonObject(header)), client: client, audience: audience, key: key}
}

// joseHeader is the header of what the key signs (RFC 7515 section 4).
func (r reader) joseHeader(key signingKey) [][2]string {
	members := [][2]string{{"alg", key.algorithm}, {"typ", "JWT"}}
	if keyID := r.String(keyKeyID); keyID != "" {
		members = append(members, [2]string{"kid", keyID})
	}
	if key.thumbprint[0] != "" {
		members = append(members, key.thumbprint)
	}
	return members
}

// forEndpoint is the assertion for the server that is called, by its URL unless the configuration says otherwise.
func (a *assertion) forEndpoint(call Call) *assertion {
	if a == nil || a.audience != "" {
		return a
	}
	host, _ := FirstHeader(call.Headers, ":authority")
	path, _ := FirstHeader(call.Headers, ":path")
	path, _, _ = strings.Cut(path, "?")
	of := *a
	of.audience = "https://" + host + path
	return &of
}

// signed is a new assertion for a call at that time of day.
func (a *assertion) signed(now time.Time) (string, error) {
	claims := jsonObject([][2]string{{"iss", a.client}, {"sub", a.client}, {"aud", a.audience}, {"jti", rand.Text()}})
	claims = claims[:len(claims)-1] + `,"iat":` + unixSeconds(now) + `,"exp":` + unixSeconds(now.Add(assertionLifetime)) + "}"
	return a.key.jwt(a.header, claims)
}

// jwt is a signed JWT. The header is encoded already.
func (k signingKey) jwt(header, claims string) (string, error) {
	message := header + "." + encodeJWT(claims)
	signature, err := k.sign([]byte(message))
	if err != nil {
		return "", errUnsigned
	}
	return message + "." + encodeJWT(string(signature)), nil
}

func unixSeconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

func encodeJWT(part string) string { return base64.RawURLEncoding.EncodeToString([]byte(part)) }

// jsonObject writes an object of strings.
func jsonObject(members [][2]string) string {
	text := []byte("{")
	for i, member := range members {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(gjson.AppendJSONString(text, member[0]), ':')
		text = gjson.AppendJSONString(text, member[1])
	}
	return string(append(text, '}'))
}

// minSecretBytes of a key for HS256 (RFC 7518 section 3.2): whoever sees an assertion could guess a shorter one, and
// servers refuse it.
const minSecretBytes = sha256.Size

// secretKey signs with the secret of that key, which both sides share.
func (r reader) secretKey(k *schema.Key, secret, why string) signingKey {
	if secret == "" {
		return signingKey{}
	}
	if len(secret) < minSecretBytes {
		r.InvalidKey(k, "at least "+strconv.Itoa(minSecretBytes)+" bytes"+why)
	}
	return signingKey{algorithm: "HS256", sign: func(message []byte) ([]byte, error) {
		code := hmac.New(sha256.New, []byte(secret))
		code.Write(message)
		return code.Sum(nil), nil
	}}
}
