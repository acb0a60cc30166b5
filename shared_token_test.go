package main

import (
	"bytes"
	"testing"
	"time"
)

func TestSharedTokenRecord(t *testing.T) {
	for name, record := range map[string]sharedToken{
		"empty":   {},
		"leased":  {renewedUntil: 5 * time.Second},
		"refused": {refused: backoff{count: 3, until: 9 * time.Second}},
		"token":   {token: &token{values: []string{"Bearer t1"}, expiresAt: 90 * time.Second, refreshAt: 80 * time.Second}},
		"headers": {token: &token{values: []string{"t1", "", "Ann"}, expiresAt: 1, refreshAt: 1}, renewedUntil: 1<<62 - 1},
	} {
		decoded, ok := decodeShared(record.encode())
		if !ok || !bytes.Equal(decoded.encode(), record.encode()) {
			t.Errorf("%s: got %+v, expected %+v", name, decoded, record)
		}
		for cut := range record.encode() {
			if _, ok := decodeShared(record.encode()[:cut]); ok && cut > 0 {
				t.Errorf("%s, cut to %d bytes: expected it not to make sense", name, cut)
			}
		}
	}
}

func TestRecordOfAnotherFormIsAMiss(t *testing.T) {
	w := newWorker(t, cached(""))
	for _, data := range [][]byte{{}, {0xff}, []byte(`{"token": "t1"}`), sharedToken{token: &token{values: []string{"a", "b"}, expiresAt: 1 << 60}}.encode()} {
		w.store.data[w.source.sharedKey] = data
		if _, told := w.ask(); told.told != waiting {
			t.Errorf("%q: got %+v, expected to wait for a call", data, told)
		}
	}
}

func FuzzDecodeShared(f *testing.F) {
	f.Add(sharedToken{token: &token{values: []string{"t1", "a"}, expiresAt: 9, refreshAt: 5}, renewedUntil: 7}.encode())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		record, ok := decodeShared(data)
		if ok && record.token != nil && len(record.token.values) == 0 {
			t.Error("a token without values")
		}
	})
}
