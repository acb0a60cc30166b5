package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
)

// The keys of an assertion.
const (
	privateKey       = "privateKey"
	signingAlgorithm = "signingAlgorithm"
)

// standIn is a value that a key could have; the algorithm is that of its assertion, if any.
func standIn(key, algorithm string) string {
	switch lastName(key) {
	case privateKey:
		return newPrivateKey(algorithm)
	case "encryptionKey":
		return base64.StdEncoding.EncodeToString(make([]byte, 32))
	default:
		return "stand-in"
	}
}

// newPrivateKey makes a key that fits the algorithm, in PEM.
func newPrivateKey(algorithm string) string {
	var key any
	var err error
	switch algorithm {
	case "RS256", "PS256":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "EdDSA":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return ""
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}
