package cache

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"

	"token-fetch/internal/token"
)

// recordKey is by which a record is found and opened. It is made of the configuration, with its secrets, and of the
// caller, with its own: who does not know them can't read a record or make one, though every plugin of the
// gateway can read and write the buckets. Nor can a record be taken for another caller's.
type recordKey struct {
	owner token.Key // names the record
	seal  token.Key // of AES-128
}

func recordKeyOf(configuration, caller token.Key) (k recordKey) {
	digest := sha256.Sum256(append(configuration[:], caller[:]...))
	copy(k.owner[:], digest[:])
	copy(k.seal[:], digest[len(k.owner):])
	return k
}

// cipher seals with a random nonce, which it puts first.
func (k *recordKey) cipher() cipher.AEAD {
	block, err := aes.NewCipher(k.seal[:])
	if err != nil {
		panic(err) // the length is that of a key
	}
	sealing, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // as is this block's
	}
	return sealing
}

// sealed is the encoded record, of which only the head can be read by others.
func (k *recordKey) sealed(r *record) []byte {
	r.owner = k.owner
	head := r.encodeHead()
	return k.cipher().Seal(head, nil, r.appendBody(nil), head) //nolint:gosec // the nonce is the cipher's to choose
}

// open returns an empty record and false for one that nobody has sealed with the key.
func (k *recordKey) open(data []byte) (record, bool) {
	d := decoder{data: data}
	head := d.head()
	if d.broken || head.owner != k.owner {
		return record{}, false
	}
	headBytes := data[:len(data)-len(d.data)]
	body, err := k.cipher().Open(nil, nil, d.data, headBytes)
	if err != nil {
		return record{}, false
	}
	return decodeBody(head, body)
}
