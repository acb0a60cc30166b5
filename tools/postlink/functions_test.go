package main

import (
	"os"
	"testing"

	"token-fetch/tools/wasm"
)

func TestIsUnreachable(t *testing.T) {
	for name, want := range map[string]bool{
		"crypto_internal_fips140_nistec.__P521Point_.Add":                                                true,
		"crypto_internal_fips140_nistec.__P224Point_.ScalarMult":                                         true,
		"crypto_internal_fips140_nistec_fiat.p521Mul":                                                    true,
		"crypto_internal_fips140_ecdsa.signGeneric_go.shape._crypto_internal_fips140_nistec.P521Point_":  true,
		"crypto_internal_fips140_nistec.p384SqrtCandidate":                                               true,
		"crypto_elliptic.__CurveParams_.addJacobian":                                                     true,
		"crypto_internal_fips140_mlkem.NewDecapsulationKey768":                                           true,
		"crypto_internal_fips140_sha256.init.0.func1":                                                    true,
		"crypto_internal_fips140_nistec.__P256Point_.Add":                                                false,
		"crypto_internal_fips140_nistec.__P384Point_.ScalarMult":                                         false,
		"crypto_internal_fips140_ecdsa.signGeneric_go.shape._crypto_internal_fips140_nistec.P384Point_":  false,
		"crypto_internal_fips140_ecdh.NewPrivateKey_go.shape._crypto_internal_fips140_nistec.P256Point_": false,
		"crypto_elliptic.__CurveParams_.Params":                                                          false,
		"crypto_elliptic.initP521":                                                                       false,
		"crypto_internal_fips140_mlkem.init":                                                             false,
		"crypto_internal_fips140_sha3.init.0":                                                            false,
		"crypto_internal_fips140_tls13.map.init.0":                                                       false,
		"crypto_internal_fips140_nistec.init.0":                                                          false,
		"math.Sqrt":                                                                                      false,
		"token_fetch_internal_tokenservice.signECDSA":                                                    false,
		"crypto_internal_fips140_edwards25519.__Point_.ScalarBaseMult":                                   false,
	} {
		if got := isUnreachable(name); got != want {
			t.Errorf("%s: got %v, expected %v", name, got, want)
		}
	}
}

// Another Go may have other names: then a pattern is of no use any more.
func TestUnreachableFunctions(t *testing.T) {
	data, err := os.ReadFile("../../build/linked.wasm")
	if err != nil {
		t.Fatalf("build/linked.wasm is missing: run make first (%v)", err)
	}
	names, err := wasm.FunctionNames(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range unreachable {
		count := 0
		for _, name := range names {
			if u.names.MatchString(name) && !initializes.MatchString(name) {
				count++
			}
		}
		if count == 0 || u.why == "" {
			t.Errorf("%s: matches %d functions, expected some, and a reason", u.names, count)
		}
	}
}
