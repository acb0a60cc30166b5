package share

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/fuzzing"

	"token-fetch/internal/token"
)

// encodeRecord and decodeRecord are of a record that is not sealed.
func encodeRecord(r *record) []byte { return r.appendBody(r.encodeHead()) }

func decodeRecord(data []byte) (record, bool) {
	d := decoder{data: data}
	head := d.head()
	if d.broken {
		return record{}, false
	}
	return decodeBody(head, d.data)
}

// What another plugin, or another version, has written makes sense or is nothing; what makes sense is no
// larger than the record, has times that can be reckoned with, and stays what it is when it is written again.
func FuzzDecodeRecord(f *testing.F) {
	kept := token.Token{Values: []string{"Bearer a", ""}, ID: 9, Lifetime: time.Minute, SubjectLifetime: time.Hour}
	for _, r := range []record{{token: kept}, {leaseOwner: 5, leaseEnds: 7, endsAt: time.Unix(1, 2), token: kept, isRejected: true},
		{rejectionBackoff: backoff{count: 3, until: 9}}, {failure: token.ServerError, failureBackoff: backoff{count: 1, until: 9}}, {}} {
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
			if r.hasToken() || r.leaseOwner != 0 || r.failureBackoff.count != 0 || r.rejectionBackoff.count != 0 {
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
	f, _ := r.look(LookRequest{Owner: 1, Lease: time.Second, Have: 9, IsRejected: true, Backoff: time.Second}, now, wall)
	if f.Status == InBackoff && (f.Wait <= 0 || f.Wait > token.MaxRetryAfter+time.Second || !f.Reason.IsShared()) {
		t.Errorf("got %+v, which holds back for longer than may be, or without a reason", f)
	}
	if r.isLeased(now) && r.leaseEnds > now+maxLease+time.Second {
		t.Errorf("%+v is leased for longer than may be", r)
	}
	for _, got := range []*token.Token{&f.Token, f.Fallback} {
		if got == nil || got.Values == nil {
			continue
		}
		if got.Age >= got.Lifetime || got.ID == 0 {
			t.Errorf("got the token %+v, expected one that has not ended", got)
		}
		length := 0
		for _, value := range got.Values {
			length += 1 + len(value)
		}
		if length > size {
			t.Errorf("%d values of %d bytes in a record of %d", len(got.Values), length, size)
		}
	}
}

// What is written is read again as it was, and without its last byte it is nothing.
func FuzzRecord(f *testing.F) {
	f.Add("Bearer a\nb\n", uint64(9), int64(1), uint32(5), uint32(7), int64(3), uint16(3), int64(11))
	f.Add("", uint64(0), int64(-1), uint32(0), uint32(0), int64(1<<62), uint16(65535), int64(-1<<63))
	f.Add("\n\n\n", uint64(1<<63), int64(1<<60), uint32(1<<32-1), uint32(1<<32-1), int64(-1<<63), uint16(0), int64(0))
	f.Fuzz(func(t *testing.T, values string, id uint64, issued int64, life, subject uint32, ends int64, count uint16, until int64) {
		kept := token.Token{
			Values: strings.Split(values, "\n"), ID: token.ID(id),
			Lifetime: time.Duration(life) * time.Millisecond, SubjectLifetime: time.Duration(subject) * time.Millisecond,
		}
		want := record{token: kept, isRejected: count%2 == 0, issuedAt: time.Duration(issued), dueAt: time.Duration(issued), endsAt: time.Unix(0, ends),
			leaseOwner: id, leaseEnds: time.Duration(until), rejectionBackoff: backoff{count: int(count), until: time.Duration(until)},
			failure: [...]token.Reason{0, token.NoAnswer, token.SubjectRefused}[count%3], failureBackoff: backoff{count: int(count), until: time.Duration(ends)}}
		data := encodeRecord(&want)
		got, ok := decodeRecord(data)
		if !ok {
			const most = 1 << 61
			isOrdered := id != 0 && life != 0
			for _, at := range []int64{issued, int64(want.keepUntil()), until, ends} {
				isOrdered = isOrdered && at > -most && at < most
			}
			if isOrdered {
				t.Fatalf("%+v is not read", want)
			}
			return
		}
		if !bytes.Equal(encodeRecord(&got), data) || strings.Join(got.token.Values, "\n") != values || got.owner != want.owner ||
			got.token.Lifetime != kept.Lifetime || !got.endsAt.Equal(want.endsAt) || got.rejectionBackoff != want.rejectionBackoff || got.failureBackoff != want.failureBackoff {
			t.Errorf("got %+v, expected %+v", got, want)
		}
		if half, ok := decodeRecord(data[:len(data)-1]); ok {
			t.Errorf("without its last byte it is read as %+v", half)
		}
	})
}
