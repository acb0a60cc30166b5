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
	"encoding/asn1"
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
		if algorithm == "PS256" {
			return rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, digest[:], parts.signature, &rsa.PSSOptions{SaltLength: sha256.Size})
		}
		return rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], parts.signature)
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
		"only spaces":                {"  ", wantPrivateKey},
		"only base64":                {"czNjcjN0", wantPrivateKey},
		"spaces for line ends":       {strings.ReplaceAll(p256, "\n", " "), wantPrivateKey},
		"no line ends":               {strings.ReplaceAll(p256, "\n", ""), wantPrivateKey},
		"cut":                        {p256[:len(p256)/2], wantPrivateKey},
		"no key in it":               {block("PRIVATE KEY"), wantPrivateKey},
		"no key in PKCS#1":           {block("RSA PRIVATE KEY"), wantPrivateKey},
		"no key in SEC1":             {block("EC PRIVATE KEY"), wantPrivateKey},
		"a bad key before another":   {block("PRIVATE KEY") + p256 + block("CERTIFICATE"), wantPrivateKey},
		"certificate, and encrypted": {block("CERTIFICATE") + block("ENCRYPTED PRIVATE KEY"), wantUnencrypted},
		"Ed25519, short":             {encodePEM("PRIVATE KEY", []byte("\x30\x0e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x02\x04\x00")), wantPrivateKey},
		"a mislabelled key":          {strings.ReplaceAll(p256, "PRIVATE KEY", "RSA PRIVATE KEY"), wantPrivateKey},
		"an unknown kind":            {block("s3cr3t PRIVATE KEY"), wantPrivateKey},
		"X25519":                     {pemOf(t, "X25519"), wantPrivateKey},
		"P-224":                      {pemOf(t, "P-224"), wantCurve},
		"P-521":                      {pemOf(t, "P-521"), wantCurve},
		"P-521 in SEC1":              {encodePEM("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(testKeys()["P-521"].(*ecdsa.PrivateKey)))), wantCurve},
		"RSA, short":                 {pemOf(t, "RSA, short"), wantRSABits},
		"encrypted":                  {encrypted, wantUnencrypted},
		"encrypted PKCS#8":           {block("ENCRYPTED PRIVATE KEY"), wantUnencrypted},
		"encrypted, and certificate": {block("ENCRYPTED PRIVATE KEY") + block("CERTIFICATE"), wantUnencrypted},
		"OpenSSH":                    {block("OPENSSH PRIVATE KEY"), wantKeyOfSuchPEM},
		"public":                     {public, wantNotPublic},
		"public RSA":                 {block("RSA PUBLIC KEY"), wantNotPublic},
		"certificate":                {block("CERTIFICATE"), wantNotOnlyCert},
		"two keys":                   {p256 + pemOf(t, "RSA"), wantOneKey},
		"the same twice":             {p256 + p256, wantOneKey},
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

// rsaNumbers are a key in PKCS#1.
type rsaNumbers struct {
	Version      int
	N            *big.Int
	E            int64
	D, P, Q      *big.Int
	Dp, Dq, Qinv *big.Int
}

func numbersOf(key *rsa.PrivateKey) rsaNumbers {
	key.Precompute()
	return rsaNumbers{N: key.N, E: int64(key.E), D: key.D, P: key.Primes[0], Q: key.Primes[1],
		Dp: key.Precomputed.Dp, Dq: key.Precomputed.Dq, Qinv: key.Precomputed.Qinv}
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

func TestRSANumbers(t *testing.T) {
	good := numbersOf(testKeys()["RSA"].(*rsa.PrivateKey))
	bits := func(count uint) *big.Int { return new(big.Int).SetBit(big.NewInt(1), int(count-1), 1) }
	tests := map[string]struct {
		change func(*rsaNumbers)
		want   string
	}{
		"good":                {func(*rsaNumbers) {}, ""},
		"one bit too few":     {func(k *rsaNumbers) { *k = numbersOf(testKeys()["RSA, short"].(*rsa.PrivateKey)) }, wantRSABits},
		"longest, but no key": {func(k *rsaNumbers) { k.N = bits(4096) }, wantPrivateKey},
		"too many bits":       {func(k *rsaNumbers) { *k = numbersOf(mersenneKey(t, 2203, 2281)) }, wantRSABits},
		"a later version":     {func(k *rsaNumbers) { k.Version = 2 }, wantPrivateKey},
		"negative modulus":    {func(k *rsaNumbers) { k.N = new(big.Int).Neg(k.N) }, wantPrivateKey},
		"huge exponent":       {func(k *rsaNumbers) { k.E = 1 << 31 }, wantPrivateKey},
		"exponent 1":          {func(k *rsaNumbers) { k.E = 1 }, wantPrivateKey},
		"even exponent":       {func(k *rsaNumbers) { k.E = 65536 }, wantPrivateKey},
		"huge secret":         {func(k *rsaNumbers) { k.D = bits(8000) }, wantPrivateKey},
		"another secret":      {func(k *rsaNumbers) { k.D = new(big.Int).Add(k.D, big.NewInt(2)) }, wantPrivateKey},
		"huge primes":         {func(k *rsaNumbers) { k.P, k.Q = bits(8000), bits(8000) }, wantPrivateKey},
		"no primes":           {func(k *rsaNumbers) { k.P, k.Q = new(big.Int), new(big.Int) }, wantPrivateKey},
		"one prime twice":     {func(k *rsaNumbers) { k.Q = k.P }, wantPrivateKey},
		"primes of another":   {func(k *rsaNumbers) { k.P = new(big.Int).Add(k.P, big.NewInt(2)) }, wantPrivateKey},
	}
	for name, test := range tests {
		numbers := good
		test.change(&numbers)
		block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: must(asn1.Marshal(numbers))}
		if key, want := parseKey(block); want != test.want || (key != nil) != (test.want == "") {
			t.Errorf("%s: got %T and %q, expected %q", name, key, want, test.want)
		}
	}
}

func TestThreePrimes(t *testing.T) {
	key := must(rsa.GenerateMultiPrimeKey(rand.Reader, 3, 2048)) //nolint:staticcheck // to be refused
	text := encodePEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
	if got := parsePrivateKey(text); got.want != wantRSABits {
		t.Errorf("got %T and %q, expected %q", got.key, got.want, wantRSABits)
	}
}

// Old versions of OpenSSL leave out the zeros that a secret begins with, others write one more.
func TestZerosOfASecret(t *testing.T) {
	type sec1 struct {
		Version int
		Secret  []byte
		Curve   asn1.ObjectIdentifier `asn1:"explicit,tag:0,optional"`
	}
	p256 := asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	order := elliptic.P256().Params().N
	last := new(big.Int).Sub(order, big.NewInt(1))
	tests := map[string]struct {
		key    sec1
		secret *big.Int // nil: it is refused
	}{
		"short":          {sec1{1, []byte{5}, p256}, big.NewInt(5)},
		"one zero":       {sec1{1, append([]byte{0}, last.Bytes()...), p256}, last},
		"nothing":        {sec1{1, nil, p256}, nil},
		"zero":           {sec1{1, make([]byte, 32), p256}, nil},
		"the order":      {sec1{1, order.Bytes(), p256}, nil},
		"too long":       {sec1{1, append([]byte{1}, order.Bytes()...), p256}, nil},
		"another format": {sec1{2, []byte{5}, p256}, nil},
		"no curve":       {sec1{1, []byte{5}, nil}, nil},
		"another curve":  {sec1{1, []byte{5}, asn1.ObjectIdentifier{1, 3, 132, 0, 10}}, nil},
	}
	for name, test := range tests {
		key, want := parseKey(&pem.Block{Type: "EC PRIVATE KEY", Bytes: must(asn1.Marshal(test.key))})
		switch {
		case test.secret == nil && want != wantPrivateKey:
			t.Errorf("%s: got %T and %q, expected %q", name, key, want, wantPrivateKey)
		case test.secret != nil && (want != "" || key.(*ecdsa.PrivateKey).D.Cmp(test.secret) != 0):
			t.Errorf("%s: got %v and %q, expected the secret %d", name, key, want, test.secret)
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
