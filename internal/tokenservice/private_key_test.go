package tokenservice

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
)

// testKeys are made once for all tests; RSA takes its time.
var testKeys = sync.OnceValue(func() map[string]any {
	keys := map[string]any{}
	for name, curve := range map[string]elliptic.Curve{"P-224": elliptic.P224(), "P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()} {
		keys[name] = must(ecdsa.GenerateKey(curve, rand.Reader))
	}
	keys["RSA"] = must(rsa.GenerateKey(rand.Reader, 2048))
	keys["RSA, short"] = must(rsa.GenerateKey(rand.Reader, 2047)) //nolint:gosec // to be refused
	_, keys["Ed25519"], _ = ed25519.GenerateKey(rand.Reader)
	keys["X25519"] = must(ecdh.X25519().GenerateKey(rand.Reader))
	return keys
})

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// pemOf is the key of that name in PKCS#8.
func pemOf(t testing.TB, name string) string {
	t.Helper()
	key, known := testKeys()[name]
	if !known {
		t.Fatalf("no key %s", name)
	}
	return encodePEM("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key)))
}

func encodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func quoted(text string) string { return string(must(json.Marshal(text))) }

// keyForms are the ways in which a key may be written.
func keyForms(t testing.TB, name string) map[string]string {
	pkcs8 := pemOf(t, name)
	forms := map[string]string{
		"PKCS#8":               pkcs8,
		"literal \\n":          strings.ReplaceAll(pkcs8, "\n", `\n`),
		"CR and LF":            strings.ReplaceAll(pkcs8, "\n", "\r\n"),
		"no last line end":     strings.TrimSpace(pkcs8),
		"text before":          "Bag Attributes\n    friendlyName: a\n" + pkcs8,
		"certificate behind":   pkcs8 + encodePEM("CERTIFICATE", []byte("a")),
		"certificate before":   encodePEM("CERTIFICATE", []byte("a")) + pkcs8,
		"its public key, too":  encodePEM("PUBLIC KEY", []byte("a")) + pkcs8,
		"unknown blocks, too":  encodePEM("EC PARAMETERS", []byte("a")) + pkcs8,
		"a broken block first": "-----BEGIN A-----\n!\n-----END A-----\n" + pkcs8,
	}
	switch key := testKeys()[name].(type) {
	case *rsa.PrivateKey:
		forms["PKCS#1"] = encodePEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
	case *ecdsa.PrivateKey:
		forms["SEC1"] = encodePEM("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(key)))
	}
	return forms
}

func keyJWTOf(pem, more string) string {
	return `"clientId": "id", "authStyle": "private_key_jwt", "privateKey": ` + quoted(pem) + more
}

// RFC 7518 sections 3.3 to 3.5 and RFC 8037 section 3.1.
func TestSignatures(t *testing.T) {
	tests := map[string]struct{ key, configured, algorithm string }{
		"P-256":              {"P-256", "", "ES256"},
		"P-256, written":     {"P-256", "ES256", "ES256"},
		"P-384":              {"P-384", "", "ES384"},
		"RSA":                {"RSA", "", "RS256"},
		"RSA, PSS":           {"RSA", "PS256", "PS256"},
		"RSA, SHA-384":       {"RSA", "RS384", "RS384"},
		"RSA, SHA-512":       {"RSA", "RS512", "RS512"},
		"RSA, PSS, SHA-384":  {"RSA", "PS384", "PS384"},
		"RSA, PSS, SHA-512":  {"RSA", "PS512", "PS512"},
		"Ed25519":            {"Ed25519", "", "EdDSA"},
		"Ed25519, by a name": {"Ed25519", "EdDSA", "EdDSA"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			more := ""
			if test.configured != "" {
				more = `, "signingAlgorithm": "` + test.configured + `"`
			}
			for form, text := range keyForms(t, test.key) {
				parts := readAssertion(t, mustCall(t, mustRead(t, oauth2Config(keyJWTOf(text, more), "")), nil))
				if parts.header["alg"] != test.algorithm {
					t.Errorf("%s: alg: got %v, expected %s", form, parts.header["alg"], test.algorithm)
				}
				if err := verify(testKeys()[test.key], test.algorithm, parts); err != nil {
					t.Errorf("%s: %v", form, err)
				}
			}
		})
	}
}

// verify checks a signature as a server does.
func verify(key any, algorithm string, parts jwtParts) error {
	message := []byte(parts.message)
	digest := sha256.Sum256(message)
	switch key := key.(type) {
	case *rsa.PrivateKey:
		hash, hashed := crypto.SHA256, digest[:]
		switch long, longest := sha512.Sum384(message), sha512.Sum512(message); algorithm[2:] {
		case "384":
			hash, hashed = crypto.SHA384, long[:]
		case "512":
			hash, hashed = crypto.SHA512, longest[:]
		}
		if strings.HasPrefix(algorithm, "PS") {
			return rsa.VerifyPSS(&key.PublicKey, hash, hashed, parts.signature, &rsa.PSSOptions{SaltLength: hash.Size()})
		}
		return rsa.VerifyPKCS1v15(&key.PublicKey, hash, hashed, parts.signature)
	case ed25519.PrivateKey:
		if !ed25519.Verify(key.Public().(ed25519.PublicKey), message, parts.signature) {
			return fmt.Errorf("Ed25519 does not verify")
		}
	case *ecdsa.PrivateKey:
		hashed, size := digest[:], 32
		if algorithm == "ES384" {
			long := sha512.Sum384(message)
			hashed, size = long[:], 48
		}
		if len(parts.signature) != 2*size {
			return fmt.Errorf("the signature has %d bytes, expected %d", len(parts.signature), 2*size)
		}
		r, s := new(big.Int).SetBytes(parts.signature[:size]), new(big.Int).SetBytes(parts.signature[size:])
		if !ecdsa.Verify(&key.PublicKey, hashed, r, s) {
			return fmt.Errorf("ECDSA does not verify")
		}
	}
	return nil
}

// Numbers that begin with zeros keep their width: one in 128 signatures has such a number.
func TestWidthOfECDSASignatures(t *testing.T) {
	for _, name := range []string{"P-256", "P-384"} {
		key := testKeys()[name].(*ecdsa.PrivateKey)
		for range 1000 {
			signature, err := signECDSA(key, []byte("a"))
			if want := key.Curve.Params().BitSize / 4; err != nil || len(signature) != want {
				t.Fatalf("%s: got %d bytes and %v, expected %d", name, len(signature), err, want)
			}
		}
	}
}

func TestCertificateInTheHeader(t *testing.T) {
	certificate := encodePEM("CERTIFICATE", []byte("a certificate")) + encodePEM("CERTIFICATE", []byte("who issued it"))
	// By openssl dgst.
	digests := map[string]string{"x5t": "u7K3sU8iT_bqOGj5gDJAQGcmt3w", "x5t#S256": "gazXYhQPppKhQoItL75NxvVLyqUB9oqzflru0Lr-TZk"}
	tests := map[string]struct{ key, more, member, other string }{
		"RS256": {"RSA", "", "x5t", "x5t#S256"},
		"PS256": {"RSA", `, "signingAlgorithm": "PS256"`, "x5t#S256", "x5t"},
		"ES256": {"P-256", "", "x5t#S256", "x5t"},
	}
	for name, test := range tests {
		header := readAssertion(t, mustCall(t, mustRead(t, oauth2Config(keyJWTOf(pemOf(t, test.key)+certificate, test.more), "")), nil)).header
		if _, found := header[test.other]; header[test.member] != digests[test.member] || found {
			t.Errorf("%s: got %v, expected only %s %s", name, header, test.member, digests[test.member])
		}
	}
}

func TestKeysThatCannotBeUsed(t *testing.T) {
	block := func(kind string) string { return encodePEM(kind, []byte("s3cr3t")) }
	p256 := pemOf(t, "P-256")
	public := encodePEM("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(testKeys()["P-256"].(*ecdsa.PrivateKey).Public())))
	encrypted := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: []byte("s3cr3t"),
		Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}}))
	tests := map[string]struct{ text, want string }{
		"no PEM":                     {"s3cr3t", wantPrivateKey},
		"spaces for line ends":       {strings.ReplaceAll(p256, "\n", " "), wantPrivateKey},
		"no key in it":               {block("PRIVATE KEY"), wantPrivateKey},
		"a bad key before another":   {block("PRIVATE KEY") + p256 + block("CERTIFICATE"), wantPrivateKey},
		"certificate, and encrypted": {block("CERTIFICATE") + block("ENCRYPTED PRIVATE KEY"), wantUnencrypted},
		"a mislabelled key":          {strings.ReplaceAll(p256, "PRIVATE KEY", "RSA PRIVATE KEY"), wantPrivateKey},
		"X25519":                     {pemOf(t, "X25519"), wantPrivateKey},
		"P-224":                      {pemOf(t, "P-224"), wantCurve},
		"P-521":                      {pemOf(t, "P-521"), wantCurve},
		"encrypted":                  {encrypted, wantUnencrypted},
		"encrypted PKCS#8":           {block("ENCRYPTED PRIVATE KEY"), wantUnencrypted},
		"encrypted, and certificate": {block("ENCRYPTED PRIVATE KEY") + block("CERTIFICATE"), wantUnencrypted},
		"OpenSSH":                    {block("OPENSSH PRIVATE KEY"), wantKeyOfSuchPEM},
		"public":                     {public, wantNotPublic},
		"public RSA":                 {block("RSA PUBLIC KEY"), wantNotPublic},
		"certificate":                {block("CERTIFICATE"), wantNotOnlyCert},
		"two keys":                   {p256 + pemOf(t, "RSA"), wantOneKey},
		"a good and an encrypted":    {p256 + encrypted, wantOneKey},
		"too long":                   {p256 + strings.Repeat(" ", maxPEMBytes), wantPEMBytes},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := read(oauth2Config(keyJWTOf(test.text, ""), ""))
			if want := "invalid oauth2.privateKey in config (want " + test.want + ")"; err == nil || err.Error() != want {
				t.Errorf("got %v, expected %s", err, want)
			}
		})
	}
}

// mersenneKey is an RSA key of the primes 2^p-1 and 2^q-1: generating one of that size takes seconds.
func mersenneKey(t *testing.T, p, q uint) *rsa.PrivateKey {
	t.Helper()
	one := big.NewInt(1)
	mersenne := func(bits uint) *big.Int { return new(big.Int).Sub(new(big.Int).Lsh(one, bits), one) }
	primes := []*big.Int{mersenne(p), mersenne(q)}
	order := new(big.Int).Mul(new(big.Int).Sub(primes[0], one), new(big.Int).Sub(primes[1], one))
	for e := int64(257); ; e += 2 {
		if d := new(big.Int).ModInverse(big.NewInt(e), order); d != nil {
			n := new(big.Int).Mul(primes[0], primes[1])
			return &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: int(e)}, D: d, Primes: primes}
		}
	}
}

// Between 2048 and 4096 bits, of two primes.
func TestRSALimits(t *testing.T) {
	keys := map[string]*rsa.PrivateKey{
		"one bit too few": testKeys()["RSA, short"].(*rsa.PrivateKey), "too many bits": mersenneKey(t, 2203, 2281),
		"three primes": must(rsa.GenerateMultiPrimeKey(rand.Reader, 3, 2048)), //nolint:staticcheck // to be refused
	}
	for name, key := range keys {
		text := encodePEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
		if got := parsePrivateKey(text); got.key != nil || got.want != wantRSABits {
			t.Errorf("%s: got %T and %q, expected %q", name, got.key, got.want, wantRSABits)
		}
	}
}

// Rules inherit the key, and the first one has read it.
func TestKeyIsParsedOnce(t *testing.T) {
	text := pemOf(t, "RSA")
	_, s := readPart(oauth2Config(keyJWTOf(text, ""), ""), true)
	found, _ := s.Once(keyPrivateKey, text, func() any { return privateKey{want: "not parsed yet"} }).(privateKey)
	if s.Err() != nil || found.key == nil {
		t.Errorf("got %q and %v, expected a key that has been parsed", found.want, s.Err())
	}
}
