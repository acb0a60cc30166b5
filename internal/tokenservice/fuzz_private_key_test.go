package tokenservice

import (
	"encoding/pem"
	"strings"
	"testing"
)

// FuzzPrivateKeys checks that what is taken for a key can sign.
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
		key, want := parseKey(&pem.Block{Type: kinds[uint(kind)%uint(len(kinds))], Bytes: encoded})
		if (key == nil) == (want == "") {
			t.Fatalf("got %T and %q, expected one of the two", key, want)
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
