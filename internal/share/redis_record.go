package share

import (
	"fmt"

	"token-fetch/internal/token"
)

// A record in Redis is the token's ID as 16 hexadecimal digits, which the scripts compare, followed by the token,
// encrypted if a key is configured.

const idDigits = 16

// rejectedMark is what a script prepends to the record of a token that an upstream has rejected.
const rejectedMark = "!"

func formatID(id uint64) string { return fmt.Sprintf("%0*x", idDigits, id) }

// write encodes the record of a token to be stored under key k.
func (r *Redis) write(t token.Token, k Key) string {
	id := formatID(uint64(t.ID))
	return string(r.Sealer.seal([]byte(id), appendToken(nil, t), r.aad(k, id)))
}

func (r *Redis) aad(k Key, id string) []byte { return []byte(r.keys(k)[0] + id) }

// read decodes a record. ok is false if it is malformed, belongs under another key, or does not have the values of this
// configuration.
func (r *Redis) read(record string, k Key) (token.Token, bool) {
	if len(record) < idDigits || len(record) > maxRecord {
		return token.Token{}, false
	}
	data, isOpen := r.Sealer.open([]byte(record[idDigits:]), r.aad(k, record[:idDigits]))
	d := decoder{data: data}
	t := d.token()
	if !isOpen || d.broken || len(d.data) > 0 || len(t.Values) != r.Values || formatID(uint64(t.ID)) != record[:idDigits] {
		return token.Token{}, false
	}
	for i, value := range t.Values {
		if i == 0 && value == "" || len(value) > maxValue || !r.IsHeaderValue(value) {
			return token.Token{}, false
		}
	}
	return t, true
}

const (
	maxRecord = 1 << 20  // far more than a token takes
	maxValue  = 64 << 10 // more than a token and its prefix take
)
