package share

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
)

// Sealer encrypts records with AES-GCM, so that whoever can read the store cannot read tokens. A nil *Sealer does not
// encrypt.
type Sealer struct{ aead cipher.AEAD }

// newSealer takes an AES key. Nonces are random, 96 bits and prepended, which is safe for billions of records per key.
func newSealer(key []byte) *Sealer {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // can't happen: the key has a valid length
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // can't happen: AES has the block size of GCM
	}
	return &Sealer{aead}
}

// NewSealer takes a base64-encoded 32-byte key. The error reveals nothing of it.
func NewSealer(key string) (*Sealer, error) {
	const keyBytes = 32
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(raw) != keyBytes {
		return nil, errors.New("not base64 of 32 bytes")
	}
	return newSealer(raw), nil
}

// seal appends the encrypted data to to. aad binds it to its place in the store: moved elsewhere, it does not open.
func (s *Sealer) seal(to, data, aad []byte) []byte {
	if s == nil {
		return append(to, data...)
	}
	return s.aead.Seal(to, nil, data, aad) //nolint:gosec // the nonce is the cipher's to choose
}

func (s *Sealer) open(sealed, aad []byte) (data []byte, ok bool) {
	if s == nil {
		return sealed, true
	}
	data, err := s.aead.Open(nil, nil, sealed, aad)
	return data, err == nil
}
