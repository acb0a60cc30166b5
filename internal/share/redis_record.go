package share

import (
	"fmt"

	"token-fetch/internal/token"
)

// A record in Redis is the token's id as 16 hexadecimal digits, which scripts compare, and then the token, sealed where
// there is a key for it.

const idDigits = 16

// rejectedMark is what a script puts before the record of a token that an upstream has rejected.
const rejectedMark = "!"

func formatID(id uint64) string { return fmt.Sprintf("%0*x", idDigits, id) }

// write is the record of a token for the key under which it will stand.
func (r *Redis) write(t token.Token, k Key) string {
	id := formatID(uint64(t.ID))
	return string(r.Sealer.seal([]byte(id), appendToken(nil, t), r.place(k, id)))
}

func (r *Redis) place(k Key, id string) []byte { return []byte(r.names(k)[0] + id) }

// read returns false for what is malformed, does not belong under the key, or has not what a token of this configuration has.
func (r *Redis) read(record string, k Key) (token.Token, bool) {
	if len(record) < idDigits || len(record) > maxRecord {
		return token.Token{}, false
	}
	data, isOpen := r.Sealer.open([]byte(record[idDigits:]), r.place(k, record[:idDigits]))
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
	maxRecord = 1 << 20  // far above what tokens can have
	maxValue  = 64 << 10 // more than a token and its prefix have
)
