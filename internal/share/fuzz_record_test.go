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
