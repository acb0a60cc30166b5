package main

import (
	"fmt"
	"regexp"

	"token-fetch/tools/wasm"
)

// unreachable are functions that Go's linker can't tell to be dead: a value in a table or the type of an interface
// leads to them, but nothing that the plugin does. V8 compiles every function before the plugin starts, so that they
// cost time, and they are a twentieth of the file. Each of them becomes a trap; that the plugin works without them is
// what the tests in a real Envoy show, which run main.wasm: TestClientAuthentication signs with every kind of key.
//
// Names are those of the linker, which writes _ for what is no letter. One that a new version of Go has renamed is
// no error here, as all it costs is room; TestUnreachableFunctions says so.
var unreachable = []struct {
	names *regexp.Regexp
	why   string
}{
	{regexp.MustCompile(`^crypto_internal_fips140_nistec(_fiat)?\..*[pP](224|521)|nistec\.P(224|521)Point`),
		"arithmetic of the curves P-224 and P-521: private_key_der.go refuses their keys before it computes anything"},
	{regexp.MustCompile(`^crypto_elliptic\.__CurveParams_\.(Is|Add|Double|Scalar|add|double|affine)|^crypto_ecdsa\.(signLegacy|verifyLegacy|generateLegacy|randFieldElement)`),
		"arithmetic of curves that a program brings itself: there are P-256 and P-384 only"},
	{regexp.MustCompile(`^crypto_internal_fips140_nistec\..*(Sqrt|SqrtCandidate|BytesCompressed|bytesCompressed)$`),
		"compressed points of the curves, as public keys of others may have them"},
	{regexp.MustCompile(`^crypto_(internal_fips140_(mlkem|sha3|tls12|tls13|hkdf)|sha3)\.|^crypto_ecdh\.(x25519|__x25519)|^crypto_internal_fips140_ecdh\.(GenerateKey|ecdh)_`),
		"TLS, and the key exchange and SHA-3 that only it has: there are no sockets"},
	{regexp.MustCompile(`^crypto_internal_fips140_\w+\.init\.0\.func1$|^crypto_internal_fips140_rsa\.testPrivateKey$`),
		"self-tests of FIPS 140-3, whose mode Go does not have for Wasm"},
}

// isUnreachable reports whether the plugin never calls the function. What initializes a package is called.
func isUnreachable(name string) bool {
	if initializes.MatchString(name) {
		return false
	}
	for _, u := range unreachable {
		if u.names.MatchString(name) {
			return true
		}
	}
	return false
}

var initializes = regexp.MustCompile(`\.(map\.)?init(\.\d+)?$`)

// applyUnreachable makes traps of the functions that are never called.
func applyUnreachable(data []byte) ([]byte, error) {
	data, _, err := wasm.ReplaceFunctions(data, isUnreachable)
	if err != nil {
		return nil, fmt.Errorf("unreachable functions: %w", err)
	}
	return data, nil
}
