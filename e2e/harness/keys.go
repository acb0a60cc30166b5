package harness

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"sync"
	"testing"
)

// ClientKeys are private keys of clients by their algorithms, such as "ES256", and another one of each, "another ES256".
var ClientKeys = sync.OnceValue(func() map[string]crypto.Signer {
	keys := map[string]crypto.Signer{}
	for _, of := range []string{"", "another "} {
		for name, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384()} {
			keys[of+name] = mustKey(ecdsa.GenerateKey(curve, rand.Reader))
		}
		keys[of+"RS256"] = mustKey(rsa.GenerateKey(rand.Reader, 2048))
		for _, name := range []string{"RS384", "RS512", "PS256", "PS384", "PS512"} {
			keys[of+name] = keys[of+"RS256"]
		}
		_, key, err := ed25519.GenerateKey(rand.Reader)
		keys[of+"EdDSA"] = mustKey(key, err)
	}
	return keys
})

func mustKey[K crypto.Signer](key K, err error) crypto.Signer {
	if err != nil {
		panic(err)
	}
	return key
}

// PrivatePEM is one of ClientKeys in PKCS#8.
func PrivatePEM(t testing.TB, name string) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(ClientKeys()[name])
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// PublicPEM is what goes with it.
func PublicPEM(t testing.TB, name string) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(ClientKeys()[name].Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// SignedBy is the key oauth2 of a client that signs with one of ClientKeys; its id is the algorithm's.
func SignedBy(t testing.TB, algorithm, key string) Config {
	t.Helper()
	return Config{
		"clientId": algorithm, "clientSecret": nil, "authStyle": "private_key_jwt",
		"privateKey": PrivatePEM(t, key), "signingAlgorithm": algorithm,
	}
}
