package tokenservice

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // for x5t, which names a certificate; nothing is signed by it
	"crypto/sha256"
	_ "crypto/sha512" // for digestOf
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"token-fetch/internal/schema"
)

// The algorithms of RFC 7518 and RFC 8037 for private keys.
const (
	algES256 = "ES256"
	algES384 = "ES384"
	algRS256 = "RS256"
	algRS384 = "RS384"
	algRS512 = "RS512"
	algPS256 = "PS256"
	algPS384 = "PS384"
	algPS512 = "PS512"
	algEdDSA = "EdDSA"
)

const (
	// maxPEMBytes fits the longest RSA key with its certificate. Refusing an oversized key within this limit takes up to 60 ms.
	maxPEMBytes = 16 << 10
	// RFC 7518 section 3.3 requires 2048 bits; beyond 4096, a signature would block the worker for long.
	minRSABits, maxRSABits = 2048, 4096
)

// What errors ask for instead of an unusable key. They reveal no byte of what is configured, not even the PEM block's
// type, and nothing of the library's errors.
const (
	wantPrivateKey   = "a private key in PEM, with its line ends or \\n in their place: P-256, P-384, RSA or Ed25519, as PKCS#8, PKCS#1 or SEC1"
	wantUnencrypted  = "a private key that is not encrypted"
	wantKeyOfSuchPEM = "PKCS#8, PKCS#1 or SEC1, not OpenSSH's format"
	wantNotPublic    = "the private key, not the public one"
	wantNotOnlyCert  = "the private key, not only its certificate"
	wantOneKey       = "one private key"
	wantCurve        = "P-256 or P-384 of the elliptic curves"
)

var (
	wantPEMBytes = fmt.Sprintf("at most %d bytes", maxPEMBytes)
	wantRSABits  = fmt.Sprintf("an RSA key of %d to %d bits, of two primes", minRSABits, maxRSABits)
)

// keyParsers, by the type of the PEM block.
var keyParsers = map[string]func(der []byte) (key any, err error){
	"PRIVATE KEY":     x509.ParsePKCS8PrivateKey,
	"RSA PRIVATE KEY": func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) },
	"EC PRIVATE KEY":  func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) },
}

// wantInsteadOf is what to ask for if these PEM blocks, but no key, are found. Other blocks are ignored, such as the EC
// PARAMETERS that OpenSSL writes before a key.
var wantInsteadOf = map[string]string{
	"ENCRYPTED PRIVATE KEY": wantUnencrypted,
	"OPENSSH PRIVATE KEY":   wantKeyOfSuchPEM,
	"PUBLIC KEY":            wantNotPublic,
	"RSA PUBLIC KEY":        wantNotPublic,
	"CERTIFICATE":           wantNotOnlyCert,
}

// privateKey is the content of a PEM text.
type privateKey struct {
	key         any    // *ecdsa.PrivateKey, *rsa.PrivateKey or ed25519.PrivateKey
	certificate []byte // the first one next to the key, in DER; nil: none
	want        string // what an error asks for instead; empty: the key is usable
}

// privateKey reads the key and its algorithm. The key is parsed once per text: thousands of rules may inherit it, and
// validating an RSA key is slow.
func (r reader) privateKey(algorithmKey *schema.Key) signingKey {
	algorithm := r.String(algorithmKey)
	text := r.required(keyPrivateKey)
	if text == "" {
		return signingKey{}
	}
	found := r.Once(keyPrivateKey, text, func() any { return parsePrivateKey(text) }).(privateKey)
	if found.want != "" {
		r.InvalidKey(keyPrivateKey, found.want)
		return signingKey{}
	}
	fitting := algorithmsOf(found.key)
	switch {
	case algorithm == "":
		algorithm = fitting[0]
	case !slices.Contains(fitting, algorithm):
		r.InvalidKey(algorithmKey, strings.Join(fitting, " or ")+" with this "+keyPrivateKey.Name)
	}
	return signingKey{algorithm: algorithm, sign: found.signer(algorithm), thumbprint: found.thumbprint(algorithm)}
}

// parsePrivateKey parses a PEM text.
func parsePrivateKey(text string) privateKey {
	if len(text) > maxPEMBytes {
		return privateKey{want: wantPEMBytes}
	}
	found := privateKey{want: wantPrivateKey}
	rest := []byte(strings.ReplaceAll(text, `\n`, "\n"))
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return found
		}
		_, isKey := keyParsers[block.Type]
		want := wantInsteadOf[block.Type]
		switch {
		case isKey && found.key != nil:
			return privateKey{want: wantOneKey}
		case isKey && strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"): // RFC 1421
			return privateKey{want: wantUnencrypted}
		case isKey:
			if found.key, found.want = parseKey(block); found.want != "" {
				return found
			}
		case found.key == nil && found.want != wantUnencrypted && want != "":
			found.want = want
		}
		if block.Type == "CERTIFICATE" && found.certificate == nil {
			found.certificate = block.Bytes
		}
	}
}

// parseKey returns the key in the block, or what an error should ask for instead.
func parseKey(block *pem.Block) (key any, want string) {
	key, err := keyParsers[block.Type](block.Bytes)
	if err != nil {
		return nil, wantPrivateKey
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits || len(key.Primes) != 2 {
			return nil, wantRSABits
		}
	case *ecdsa.PrivateKey:
		if key.Curve != elliptic.P256() && key.Curve != elliptic.P384() {
			return nil, wantCurve
		}
	case ed25519.PrivateKey:
	default:
		return nil, wantPrivateKey
	}
	return key, ""
}

// algorithmsOf returns the algorithms for the key's type and curve, the default first.
func algorithmsOf(key any) []string {
	switch key := key.(type) {
	case ed25519.PrivateKey:
		return []string{algEdDSA}
	case *ecdsa.PrivateKey:
		if key.Curve == elliptic.P384() {
			return []string{algES384}
		}
		return []string{algES256}
	default:
		return []string{algRS256, algRS384, algRS512, algPS256, algPS384, algPS512}
	}
}

// signer returns a function that signs with one of the key's algorithms.
func (p *privateKey) signer(algorithm string) func(message []byte) ([]byte, error) {
	switch key := p.key.(type) {
	case *ecdsa.PrivateKey:
		return func(message []byte) ([]byte, error) { return signECDSA(key, message) }
	case *rsa.PrivateKey:
		return func(message []byte) ([]byte, error) { return signRSA(key, algorithm, message) }
	default:
		return func(message []byte) ([]byte, error) { return ed25519.Sign(key.(ed25519.PrivateKey), message), nil }
	}
}

// signECDSA concatenates the signature's two numbers instead of using ASN.1 (RFC 7518 section 3.4).
func signECDSA(key *ecdsa.PrivateKey, message []byte) ([]byte, error) {
	hash := crypto.SHA256
	if key.Curve == elliptic.P384() {
		hash = crypto.SHA384
	}
	r, s, err := ecdsa.Sign(rand.Reader, key, digestOf(message, hash))
	if err != nil {
		return nil, err
	}
	size := key.Curve.Params().BitSize / 8
	signature := make([]byte, 2*size)
	r.FillBytes(signature[:size])
	s.FillBytes(signature[size:])
	return signature, nil
}

func signRSA(key *rsa.PrivateKey, algorithm string, message []byte) ([]byte, error) {
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[algorithm[2:]]
	digest := digestOf(message, hash)
	if strings.HasPrefix(algorithm, "PS") {
		return rsa.SignPSS(rand.Reader, key, hash, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	}
	return rsa.SignPKCS1v15(rand.Reader, key, hash, digest)
}

func digestOf(message []byte, hash crypto.Hash) []byte {
	h := hash.New()
	h.Write(message)
	return h.Sum(nil)
}

// thumbprint identifies the certificate for Microsoft's servers, which ignore kid (RFC 7515 sections 4.1.7 and 4.1.8):
// for RS256 with SHA-1, the only kind that AD FS accepts, otherwise with SHA-256.
func (p *privateKey) thumbprint(algorithm string) [2]string {
	switch {
	case p.certificate == nil:
		return [2]string{}
	case algorithm == algRS256:
		digest := sha1.Sum(p.certificate) //nolint:gosec // as above
		return [2]string{"x5t", encodeJWT(string(digest[:]))}
	default:
		digest := sha256.Sum256(p.certificate)
		return [2]string{"x5t#S256", encodeJWT(string(digest[:]))}
	}
}
