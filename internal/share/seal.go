package share

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
)

// Sealer keeps records from those who can read the store, with AES-GCM. A nil *Sealer leaves them as they are.
type Sealer struct{ aead cipher.AEAD }

// newSealer takes a key of AES. Nonces are random, of 96 bits, and put first: they are good for some billions of records with
// one key.
func newSealer(key []byte) *Sealer {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the length is that of a key
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // as is this block's
	}
	return &Sealer{aead}
}

// NewSealer takes a key of 32 bytes in base64. The error says nothing of it.
func NewSealer(key string) (*Sealer, error) {
	const keyBytes = 32
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(raw) != keyBytes {
		return nil, errors.New("not base64 of 32 bytes")
	}
	return newSealer(raw), nil
}

// seal appends the sealed data, bound to where it stands: moved to another place, it does not open.
func (s *Sealer) seal(to, data, place []byte) []byte {
	if s == nil {
		return append(to, data...)
	}
	return s.aead.Seal(to, nil, data, place) //nolint:gosec // the nonce is the cipher's to choose
}

func (s *Sealer) open(sealed, place []byte) (data []byte, ok bool) {
	if s == nil {
		return sealed, true
	}
	data, err := s.aead.Open(nil, nil, sealed, place)
	return data, err == nil
}
