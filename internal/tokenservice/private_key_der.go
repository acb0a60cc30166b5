package tokenservice

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"math/big"
)

// This file reads private keys from DER. crypto/x509 could, but it would make the plugin larger by 2 %, with every
// kind of key that is refused here. FuzzPrivateKeys holds both against each other.

// der is a row of values in DER (ITU-T X.690): tag, length, content.
type der []byte

// Tags of the values that keys are made of.
const (
	tagInteger     = 0x02
	tagOctetString = 0x04
	tagIdentifier  = 0x06
	tagSequence    = 0x30
	tagParameters  = 0xa0 // [0] of SEC1
)

// Object identifiers, as they are encoded.
var (
	oidRSA     = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01} // 1.2.840.113549.1.1.1, RFC 8017
	oidEC      = []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01}             // 1.2.840.10045.2.1, RFC 5480, and so are the curves
	oidP256    = []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}       // 1.2.840.10045.3.1.7
	oidP384    = []byte{0x2b, 0x81, 0x04, 0x00, 0x22}                         // 1.3.132.0.34
	oidEd25519 = []byte{0x2b, 0x65, 0x70}                                     // 1.3.101.112, RFC 8410
)

// next takes the value off the front that must have the tag; nil when it is another or broken.
func (d *der) next(tag byte) der {
	rest := *d
	if len(rest) < 2 || rest[0] != tag {
		return nil
	}
	length, rest := int(rest[1]), rest[2:]
	if length >= 0x80 { // that many bytes have the length
		size := length - 0x80
		if size == 0 || size > 2 || len(rest) < size { // no key is longer than 64 KiB
			return nil
		}
		length = 0
		for _, digit := range rest[:size] {
			length = length<<8 | int(digit)
		}
		rest = rest[size:]
	}
	if length > len(rest) {
		return nil
	}
	*d = rest[length:]
	return rest[:length:length]
}

// integer takes a positive number off the front; nil when there is none.
func (d *der) integer() *big.Int {
	content := d.next(tagInteger)
	if len(content) == 0 || content[0] >= 0x80 {
		return nil
	}
	return new(big.Int).SetBytes(content)
}

// parsePKCS8 reads the key within (RFC 5208).
func parsePKCS8(encoded der) (key any, want string) {
	info := encoded.next(tagSequence)
	version := info.integer()
	algorithm := info.next(tagSequence)
	kind := algorithm.next(tagIdentifier)
	content := info.next(tagOctetString)
	switch {
	case version == nil || content == nil:
		return nil, wantPrivateKey
	case bytes.Equal(kind, oidRSA):
		return parsePKCS1(content)
	case bytes.Equal(kind, oidEC):
		return parseEC(content, algorithm.next(tagIdentifier))
	case bytes.Equal(kind, oidEd25519):
		return parseEd25519(content)
	default:
		return nil, wantPrivateKey
	}
}

// parsePKCS1 reads an RSA key (RFC 8017 appendix A.1.2). What can be computed is not read. Its size is known before
// anything is computed.
func parsePKCS1(encoded der) (key any, want string) {
	numbers := encoded.next(tagSequence)
	version := numbers.integer()
	n, e, d, p, q := numbers.integer(), numbers.integer(), numbers.integer(), numbers.integer(), numbers.integer()
	switch {
	case version == nil || n == nil || e == nil || d == nil || p == nil || q == nil:
		return nil, wantPrivateKey
	case version.Sign() != 0 || n.BitLen() < minRSABits || n.BitLen() > maxRSABits:
		return nil, wantRSABits // version 1 has more than two primes
	case e.BitLen() > 31 || d.BitLen() > maxRSABits || p.BitLen() > maxRSABits || q.BitLen() > maxRSABits:
		return nil, wantPrivateKey
	}
	private := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: int(e.Int64())}, D: d, Primes: []*big.Int{p, q}}
	private.Precompute() // each signature would do it anew
	if private.Validate() != nil {
		return nil, wantPrivateKey
	}
	return private, ""
}

// parseSEC1 reads an elliptic curve's key (RFC 5915) that names its curve itself.
func parseSEC1(encoded der) (key any, want string) { return parseEC(encoded, nil) }

func parseEC(encoded, curve der) (key any, want string) {
	fields := encoded.next(tagSequence)
	version := fields.integer()
	secret := fields.next(tagOctetString)
	if parameters := fields.next(tagParameters); curve == nil {
		curve = parameters.next(tagIdentifier)
	}
	switch {
	case version == nil || version.Cmp(big.NewInt(1)) != 0 || secret == nil || curve == nil:
		return nil, wantPrivateKey
	case bytes.Equal(curve, oidP256):
		return newECKey(elliptic.P256(), ecdh.P256(), secret)
	case bytes.Equal(curve, oidP384):
		return newECKey(elliptic.P384(), ecdh.P384(), secret)
	default:
		return nil, wantCurve
	}
}

// newECKey computes the public key, which signing needs. The curve itself says whether the secret is one.
func newECKey(curve elliptic.Curve, exchange ecdh.Curve, secret der) (key any, want string) {
	size := curve.Params().BitSize / 8
	secret = bytes.TrimLeft(secret, "\x00")
	if len(secret) > size {
		return nil, wantPrivateKey
	}
	padded := make([]byte, size) // old programs leave out leading zeros
	copy(padded[size-len(secret):], secret)
	private, err := exchange.NewPrivateKey(padded)
	if err != nil {
		return nil, wantPrivateKey
	}
	point := private.PublicKey().Bytes()[1:] // after the byte that says that it is not compressed
	return &ecdsa.PrivateKey{
		PublicKey: ecdsa.PublicKey{Curve: curve, X: new(big.Int).SetBytes(point[:size]), Y: new(big.Int).SetBytes(point[size:])},
		D:         new(big.Int).SetBytes(secret),
	}, ""
}

// parseEd25519 reads what PKCS#8 has of such a key (RFC 8410 section 7).
func parseEd25519(encoded der) (key any, want string) {
	seed := encoded.next(tagOctetString)
	if len(seed) != ed25519.SeedSize {
		return nil, wantPrivateKey
	}
	return ed25519.NewKeyFromSeed(seed), ""
}
