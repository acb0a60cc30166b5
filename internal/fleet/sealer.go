package fleet

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
)

// keyBytes is the length of an AES-256 key.
const keyBytes = 32

// Sealer keeps tokens from those who can read Redis, with AES-256-GCM. A nil *Sealer leaves them as they are.
type Sealer struct{ aead cipher.AEAD }

// NewSealer takes a key of 32 bytes in base64. The error says nothing of it.
func NewSealer(key string) (*Sealer, error) {
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(raw) != keyBytes {
		return nil, errors.New("not base64 of 32 bytes")
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Sealer{aead}, nil
}

// seal binds the data to where it stands: moved to another place, it does not open. Nonces are random: of 96 bits, which
// are good for some billions of tokens with one key.
func (s *Sealer) seal(data []byte, place string) []byte {
	if s == nil {
		return data
	}
	nonce := make([]byte, s.aead.NonceSize(), s.aead.NonceSize()+len(data)+s.aead.Overhead())
	_, _ = rand.Read(nonce)
	return s.aead.Seal(nonce, nonce, data, []byte(place))
}

func (s *Sealer) open(sealed []byte, place string) (data []byte, ok bool) {
	if s == nil {
		return sealed, true
	}
	size := s.aead.NonceSize()
	if len(sealed) < size {
		return nil, false
	}
	data, err := s.aead.Open(nil, sealed[:size], sealed[size:], []byte(place))
	return data, err == nil
}
