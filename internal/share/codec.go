package share

import (
	"encoding/binary"
	"time"

	"token-fetch/internal/token"
)

// appendToken encodes what every store keeps of a token, which excludes its age: times in milliseconds, counts and
// lengths as varints, then the values.
func appendToken(data []byte, t token.Token) []byte {
	data = binary.AppendUvarint(data, uint64(t.ID))
	data = binary.AppendUvarint(data, uint64(t.Lifetime.Milliseconds()))        //nolint:gosec // not negative
	data = binary.AppendUvarint(data, uint64(t.SubjectLifetime.Milliseconds())) //nolint:gosec // not negative
	data = binary.AppendUvarint(data, uint64(len(t.Values)))
	for _, value := range t.Values {
		data = binary.AppendUvarint(data, uint64(len(value)))
		data = append(data, value...)
	}
	return data
}

// decoder reads until the data is malformed; from then on every read returns zero.
type decoder struct {
	data   []byte
	broken bool
}

// token reads what appendToken wrote.
func (d *decoder) token() token.Token {
	t := token.Token{ID: token.ID(d.uvarint()), Lifetime: d.lifetime(), SubjectLifetime: d.lifetime()}
	for count := d.uvarint(); count > 0 && !d.broken; count-- {
		t.Values = append(t.Values, d.text())
	}
	if t.ID == 0 || t.Lifetime == 0 || len(t.Values) == 0 {
		d.broken = true
	}
	if d.broken {
		return token.Token{}
	}
	return t
}

// lifetime rejects values so large that sums of lifetimes could overflow.
func (d *decoder) lifetime() time.Duration {
	const most = 1 << 40
	ms := d.uvarint()
	if ms > most {
		d.broken = true
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

func (d *decoder) byte() byte {
	taken := d.bytes(1)
	if taken == nil {
		return 0
	}
	return taken[0]
}

// duration rejects values so large that sums of times could overflow.
func (d *decoder) duration() time.Duration {
	const most = 1 << 61
	n, size := binary.Varint(d.data)
	d.skip(size)
	if n <= -most || n >= most {
		d.broken = true
		return 0
	}
	return time.Duration(n)
}

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint(d.data)
	d.skip(size)
	return n
}

func (d *decoder) text() string { return string(d.bytes(d.uvarint())) }

func (d *decoder) skip(size int) {
	if size <= 0 {
		d.broken, d.data = true, nil
		return
	}
	d.data = d.data[size:]
}

func (d *decoder) bytes(size uint64) []byte {
	if size > uint64(len(d.data)) {
		d.broken, d.data = true, nil
		return nil
	}
	taken := d.data[:size]
	d.data = d.data[size:]
	return taken
}
