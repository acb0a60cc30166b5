package main

import (
	"encoding/binary"
	"encoding/hex"
	"time"
)

// sharedToken is a token as the workers of one gateway process share it: a record
// in the host's shared data. It is written by compare-and-swap only, as the token,
// its times and the lease to renew it must fit each other.
//
// Shared data has no deletion; a record without a token says that there is none.
type sharedToken struct {
	token        *token
	renewedUntil time.Duration // until then a worker is renewing it, or waits before it tries again
	refused      backoff       // after tokens that the upstream refused; without first
}

// sharedStore is the host's shared data.
type sharedStore interface {
	// sharedData returns nil when there is no such key. cas is for the next write.
	sharedData(key string) (data []byte, cas uint32)
	// setSharedData writes if nobody has since cas was read.
	setSharedData(key string, data []byte, cas uint32) bool
}

// The version is part of the key, so that a plugin of another version in the same
// process, during an upgrade, neither reads nor spoils the record.
const sharedKeyPrefix = pluginName + "/1/"

func (id identity) sharedKey() string { return sharedKeyPrefix + hex.EncodeToString(id[:]) }

// read returns the record; one that is missing or makes no sense is empty.
func readShared(store sharedStore, key string, headers int) (record sharedToken, cas uint32) {
	data, cas := store.sharedData(key)
	record, ok := decodeShared(data)
	if !ok || record.token != nil && len(record.token.values) != headers {
		return sharedToken{}, cas
	}
	return record, cas
}

// encode writes times, counts and lengths as varints, then the values.
func (r sharedToken) encode() []byte {
	data := binary.AppendVarint(nil, int64(r.renewedUntil))
	data = binary.AppendUvarint(data, uint64(r.refused.count))
	data = binary.AppendVarint(data, int64(r.refused.until))
	if r.token == nil {
		return binary.AppendUvarint(data, 0)
	}
	data = binary.AppendUvarint(data, uint64(len(r.token.values)))
	data = binary.AppendVarint(data, int64(r.token.expiresAt))
	data = binary.AppendVarint(data, int64(r.token.refreshAt))
	for _, value := range r.token.values {
		data = binary.AppendUvarint(data, uint64(len(value)))
		data = append(data, value...)
	}
	return data
}

func decodeShared(data []byte) (record sharedToken, ok bool) {
	d := decoder{data: data}
	record.renewedUntil = time.Duration(d.varint())
	record.refused = backoff{count: int(min(d.uvarint(), 1<<16)), until: time.Duration(d.varint())}
	count := d.uvarint()
	if count == 0 || d.broken || count > uint64(len(data)) {
		return record, !d.broken && count == 0
	}
	t := &token{expiresAt: time.Duration(d.varint()), refreshAt: time.Duration(d.varint())}
	for range count {
		t.values = append(t.values, string(d.bytes(d.uvarint())))
	}
	record.token = t
	return record, !d.broken && len(d.data) == 0
}

// decoder reads until something does not fit; then all is zero.
type decoder struct {
	data   []byte
	broken bool
}

func (d *decoder) varint() int64 {
	n, size := binary.Varint(d.data)
	d.skip(size)
	return n
}

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint(d.data)
	d.skip(size)
	return n
}

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
