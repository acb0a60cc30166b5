package tokenservice

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
)

// FuzzPrivateKeys holds what is read of a key against crypto/x509: what is a key there is the same one here, and what
// is taken for a key can sign.
func FuzzPrivateKeys(f *testing.F) {
	kinds := []string{"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"}
	for name := range testKeys() {
		for form, text := range keyForms(f, name) {
			if block, _ := pem.Decode([]byte(text)); block != nil && !strings.Contains(form, " ") {
				for i := range kinds {
					f.Add(block.Bytes, i)
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, encoded []byte, kind int) {
		name := kinds[uint(kind)%uint(len(kinds))]
		key, want := keyParsers[name](encoded)
		if (key == nil) == (want == "") {
			t.Fatalf("got %T and %q, expected one of the two", key, want)
		}
		if reference := standardKey(name, encoded); reference != nil {
			if key == nil || !reference.(interface{ Equal(crypto.PrivateKey) bool }).Equal(key) {
				t.Errorf("got %T and %q, expected the key of crypto/x509", key, want)
			}
		}
		if key == nil {
			return
		}
		parsed := privateKey{key: key}
		for _, algorithm := range algorithmsOf(key) {
			signature, err := parsed.signer(algorithm)([]byte("message"))
			if err != nil {
				t.Fatalf("%s: %v", algorithm, err)
			}
			if err := verify(key, algorithm, jwtParts{message: "message", signature: signature}); err != nil {
				t.Errorf("%s: %v", algorithm, err)
			}
		}
	})
}

// standardKey is what crypto/x509 reads, nil where it is no key or one that is refused here.
func standardKey(kind string, encoded []byte) any {
	var key any
	var err error
	switch kind {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(encoded)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(encoded)
	default:
		key, err = x509.ParseECPrivateKey(encoded)
	}
	if err != nil || !isTaken(key) {
		return nil
	}
	return key
}

// isTaken reports whether the key is of a kind that may sign.
func isTaken(key any) bool {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return len(key.Primes) == 2 && key.N.BitLen() >= minRSABits && key.N.BitLen() <= maxRSABits
	case *ecdsa.PrivateKey:
		return key.Curve == elliptic.P256() || key.Curve == elliptic.P384()
	case ed25519.PrivateKey:
		return true
	default:
		return false
	}
}
