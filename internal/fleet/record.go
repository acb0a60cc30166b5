package fleet

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"token-fetch/internal/token"
)

// A record in Redis is the token's id as 16 hexadecimal digits, which scripts compare, then what is sealed where there is
// a key for it: times in milliseconds, counts and lengths as varints, then the values.

const idDigits = 16

// rejectedMark is what a script puts before the record of a token that an upstream has rejected.
const rejectedMark = "!"

func formatID(id token.ID) string { return fmt.Sprintf("%0*x", idDigits, id) }

// encode writes a token for the key under which it will stand.
func encode(g token.Token, key string, sealer *Sealer) string {
	var data []byte
	data = binary.AppendUvarint(data, uint64(g.Lifetime.Milliseconds()))        //nolint:gosec // not negative
	data = binary.AppendUvarint(data, uint64(g.SubjectLifetime.Milliseconds())) //nolint:gosec // not negative
	for _, value := range g.Values {
		data = binary.AppendUvarint(data, uint64(len(value)))
		data = append(data, value...)
	}
	id := formatID(g.ID)
	return id + string(sealer.seal(data, key+id))
}

// grant is a token as it was when it was stored.
type grant struct {
	token.Token
	isRejected bool // by an upstream, since
}

// aged is what is left of it when Redis keeps it for so long.
func (g grant) aged(left time.Duration) token.Token {
	left = min(left, g.Lifetime) // Redis' time to live is not sealed
	age := g.Lifetime - left
	g.Lifetime = left
	if g.SubjectLifetime > 0 {
		g.SubjectLifetime = max(g.SubjectLifetime-age, time.Millisecond)
	}
	return g.Token
}

// decode returns false for what is malformed, has not the number of values, or does not belong under the key.
func decode(record, key string, sealer *Sealer, values int) (grant, bool) {
	record, isRejected := strings.CutPrefix(record, rejectedMark)
	if len(record) < idDigits || len(record) > maxRecord {
		return grant{}, false
	}
	id, err := strconv.ParseUint(record[:idDigits], 16, 64)
	data, isOpen := sealer.open([]byte(record[idDigits:]), key+record[:idDigits])
	if err != nil || id == 0 || !isOpen {
		return grant{}, false
	}
	d := decoder{data: data}
	g := grant{token.Token{ID: token.ID(id), Lifetime: d.duration(), SubjectLifetime: d.duration()}, isRejected}
	for range values {
		g.Values = append(g.Values, d.text())
	}
	if d.broken || len(d.data) > 0 || g.Lifetime == 0 {
		return grant{}, false
	}
	return g, true
}

// maxRecord is far above what tokens can have.
const maxRecord = 1 << 20

// decoder reads until something does not fit; then all is zero.
type decoder struct {
	data   []byte
	broken bool
}

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint(d.data)
	if size <= 0 {
		d.broken, d.data = true, nil
		return 0
	}
	d.data = d.data[size:]
	return n
}

// duration is at most the longest lifetime that there can be, so that sums of it are far from an overflow.
func (d *decoder) duration() time.Duration {
	const most = 1 << 40
	ms := d.uvarint()
	if ms > most {
		d.broken, d.data = true, nil
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

func (d *decoder) text() string {
	size := d.uvarint()
	if size > uint64(len(d.data)) {
		d.broken, d.data = true, nil
		return ""
	}
	text := string(d.data[:size])
	d.data = d.data[size:]
	return text
}
