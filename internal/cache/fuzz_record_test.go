package cache

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/fuzzing"

	"token-fetch/internal/token"
)

// What another plugin, or another version, has written makes sense or is nothing; what makes sense is no
// larger than the record, has times that can be reckoned with, and stays what it is when it is written again.
func FuzzDecodeRecord(f *testing.F) {
	kept := &stored{Token: token.Token{Values: []string{"Bearer a", ""}, ID: 9}, issuedAt: 1, refreshAt: 2, expiresAt: 3, staleUntil: 4}
	for _, r := range []record{{owner: ownKey, token: kept}, {owner: ownKey, leasedUntil: 7, endsAt: time.Unix(1, 2), token: kept},
		{rejections: backoff{count: 3, until: 9}}, {failed: sharedFailure{reason: token.ServerError, wait: backoff{count: 1, since: 3, until: 9}}}, {}} {
		f.Add(encodeRecord(&r))
		f.Add(append(encodeRecord(&r), 0))
	}
	for _, text := range []string{"", `{"token": "t1"}`, strings.Repeat("\xff", 64), strings.Repeat("\x00", 16) + "\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r record
		var ok bool
		fuzzing.InTime(t, len(data), func() { r, ok = decodeRecord(data) })
		if !ok {
			if r.token != nil || r.leasedUntil != 0 || r.failed.reason != 0 || r.rejections.count != 0 {
				t.Errorf("got %+v from a record that is malformed, expected nothing", r)
			}
			return
		}
		checkRecord(t, r, len(data))
		again, ok := decodeRecord(encodeRecord(&r))
		if !ok || !bytes.Equal(encodeRecord(&again), encodeRecord(&r)) {
			t.Errorf("written again: got %+v, %t, expected %+v", again, ok, r)
		}
	})
}

func checkRecord(t *testing.T, r record, size int) {
	t.Helper()
	now, wall := time.Hour, time.Unix(1_764_000_000, 0)
	if r.isLeased(now) && r.leasedUntil > now+longestLease+time.Second || r.failed.refuses(now) && r.failed.wait.until > now+MaxBackoff+time.Second {
		t.Errorf("%+v holds back for longer than may be", r)
	}
	if r.token != nil && r.neededUntil() < r.token.staleUntil {
		t.Errorf("needed until %s, with a token until %s", r.neededUntil(), r.token.staleUntil)
	}
	at := r.tokenAt(now, wall)
	if (at == nil) != (r.token == nil) {
		t.Fatalf("tokenAt has %+v of %+v", at, r.token)
	}
	if at == nil {
		return
	}
	length := 0
	for _, value := range r.token.Values {
		length += 1 + len(value)
	}
	if len(r.token.Values) == 0 || length > size {
		t.Errorf("%d values of %d bytes in a record of %d", len(r.token.Values), length, size)
	}
	if at.expiresAt > r.token.expiresAt || at.staleUntil > r.token.staleUntil {
		t.Errorf("by both clocks the token ends at %s, later than by one, %s", at.expiresAt, r.token.expiresAt)
	}
	if !r.isOrdered() {
		t.Errorf("the times of %+v are in no order", r)
	}
}

// What is written is read again as it was, and without its last byte it is nothing.
func FuzzRecord(f *testing.F) {
	f.Add("Bearer a\nb\n", uint64(9), int64(1), uint32(5), uint32(7), uint32(0), int64(3), uint16(3), int64(11))
	f.Add("", uint64(0), int64(-1), uint32(0), uint32(0), uint32(1<<31), int64(1<<62), uint16(65535), int64(-1<<63))
	f.Add("\n\n\n", uint64(1<<63), int64(1<<60), uint32(1<<32-1), uint32(1<<32-1), uint32(1<<32-1), int64(-1<<63), uint16(0), int64(0))
	f.Fuzz(func(t *testing.T, values string, id uint64, issued int64, refresh, expires, stale uint32, ends int64, count uint16, until int64) {
		kept := &stored{Token: token.Token{Values: strings.Split(values, "\n"), ID: token.ID(id)}, issuedAt: time.Duration(issued)}
		kept.refreshAt = kept.issuedAt + time.Duration(refresh)
		kept.expiresAt = kept.refreshAt + time.Duration(expires)
		kept.staleUntil = kept.expiresAt + time.Duration(stale)
		want := record{owner: ownKey, token: kept, endsAt: time.Unix(0, ends), leasedUntil: time.Duration(until),
			rejections: backoff{count: int(count), until: time.Duration(until)},
			failed:     sharedFailure{reason: [...]token.Reason{0, token.NoAnswer, token.SubjectRefused}[count%3], wait: backoff{count: int(count), since: time.Duration(ends)}}}
		data := encodeRecord(&want)
		got, ok := decodeRecord(data)
		if ok != want.isOrdered() {
			t.Fatalf("%+v is read: %t, expected it if its times are in order", kept, ok)
		}
		if !ok {
			return
		}
		if !bytes.Equal(encodeRecord(&got), data) || strings.Join(got.token.Values, "\n") != values || got.owner != want.owner ||
			got.token.expiresAt != kept.expiresAt || !got.endsAt.Equal(want.endsAt) || got.rejections != want.rejections || got.failed != want.failed {
			t.Errorf("got %+v, expected %+v", got, want)
		}
		if half, ok := decodeRecord(data[:len(data)-1]); ok {
			t.Errorf("without its last byte it is read as %+v", half)
		}
	})
}
