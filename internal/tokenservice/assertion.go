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
	// assertionLifetime is enough for a call; a longer one would help whoever steals an assertion.
	assertionLifetime = 60 * time.Second
)

// errUnsigned is all that is said about a failed signature: the library's error could reveal something of the key.
var errUnsigned = errors.New("can't be called: the client's assertion can't be signed")

// assertion creates JWTs that prove the client's identity without sending its secret (RFC 7523 section 2.2). Each call
// needs a new one, because servers accept a jti only once.
type assertion struct {
	header   string // encoded
	client   string // client ID
	audience string // empty until forEndpoint
	key      signingKey
}

// signingKey signs the header and claims of a JWT with an algorithm of RFC 7518 section 3.
type signingKey struct {
	algorithm  string
	sign       func(message []byte) (signature []byte, err error)
	thumbprint [2]string // name and value of the header field that identifies the key's certificate; empty: none
}

// assertion reads the configuration of assertions; nil without a key.
func (r reader) assertion(client string, key signingKey) *assertion {
	header, audience := r.joseHeader(key), r.String(keyAssertionAudience)
	if key.sign == nil {
		return nil
	}
	return &assertion{header: encodeJWT(jsonObject(header)), client: client, audience: audience, key: key}
}

// joseHeader returns the header for what the key signs (RFC 7515 section 4).
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

// forEndpoint defaults the audience to the URL of the server.
func (a *assertion) forEndpoint(call Call) *assertion {
	if a == nil || a.audience != "" {
		return a
	}
	host, _ := FirstHeader(call.Headers, ":authority")
	path, _ := FirstHeader(call.Headers, ":path")
	path, _, _ = strings.Cut(path, "?")
	complete := *a
	complete.audience = "https://" + host + path
	return &complete
}

// signed returns a new assertion.
func (a *assertion) signed(now time.Time) (string, error) {
	claims := jsonObject([][2]string{{"iss", a.client}, {"sub", a.client}, {"aud", a.audience}, {"jti", rand.Text()}})
	claims = claims[:len(claims)-1] + `,"iat":` + unixSeconds(now) + `,"exp":` + unixSeconds(now.Add(assertionLifetime)) + "}"
	return a.key.jwt(a.header, claims)
}

// jwt returns a signed JWT. The header is already encoded.
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

// jsonObject encodes an object of strings.
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

// minSecretBytes is the minimum key length for HS256 (RFC 7518 section 3.2): a shorter key could be guessed from an
// assertion, and servers refuse it.
const minSecretBytes = sha256.Size

// secretKey signs with the shared secret in key k.
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
