package cache

import (
	"fmt"
	"math"
	"testing"
	"time"

	"token-fetch/internal/token"
)

func TestRecordThatIsMalformed(t *testing.T) {
	a := newWorker(defaults())
	a.fetchOnce(t, good("t1", time.Minute))
	two := defaults()
	two.Values = 2
	foreign := newWorker(two)
	foreign.fetchOnce(t, result{token: token.Token{Values: []string{"t1", "more"}, Lifetime: time.Minute}})
	for name, spoil := range map[string]func([]byte) []byte{
		"empty":    func([]byte) []byte { return nil },
		"cut":      func(data []byte) []byte { return data[:len(data)-1] },
		"a length": func(data []byte) []byte { data[0]++; return data },
		"the number of values": func([]byte) []byte {
			for _, data := range foreign.store.data {
				return data
			}
			return nil
		},
	} {
		b := newColleague(defaults(), a.clock, newFakeStore())
		for key, data := range a.store.data {
			b.store.Swap(key, spoil(append([]byte(nil), data...)), 0)
		}
		_, reply := b.ask()
		if !reply.Waiting {
			t.Errorf("%s: got %s, expected a fetch", name, reply)
		}
	}
}

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

func TestRecordRoundTrip(t *testing.T) {
	records := map[string]record{
		"a token": {owner: ownKey, endsAt: time.Unix(1, 2), leasedUntil: 5, token: &stored{
			Token: token.Token{Values: []string{"Bearer a", "", "c"}, ID: 9}, issuedAt: 1, refreshAt: 2, expiresAt: 3, staleUntil: 4}},
		"no token": {owner: ownKey, rejections: backoff{count: 3, until: time.Hour}},
		"a lease":  {owner: ownKey, leasedUntil: time.Minute},
		"refused":  {owner: ownKey, failed: sharedFailure{reason: token.OtherStatus, wait: backoff{count: 2, since: time.Second, until: time.Minute}}},
	}
	for name, want := range records {
		got, ok := decodeRecord(encodeRecord(&want))
		if !ok || fmt.Sprintf("%+v", got.token) != fmt.Sprintf("%+v", want.token) || got.owner != want.owner ||
			got.leasedUntil != want.leasedUntil || got.failed != want.failed || got.rejections != want.rejections || !got.endsAt.Equal(want.endsAt) {
			t.Errorf("%s: got %+v (%v), expected %+v", name, got, ok, want)
		}
	}
}

// A worker reads the clock and then the record, which another may have written in between: its waits end later than any
// that begins now.
func TestWaitThatBeganAMomentLater(t *testing.T) {
	now, ahead := time.Hour, time.Hour+time.Millisecond
	refused := sharedFailure{reason: token.OtherStatus, wait: backoff{count: 9, since: ahead, until: ahead + MaxBackoff}}
	if !refused.refuses(now) || !refused.holdsBack(now) {
		t.Error("the longest wait does not hold")
	}
	for name, until := range map[string]time.Duration{"over": now, "for ever": math.MaxInt64} {
		refused.wait.until = until
		if refused.refuses(now) || refused.holdsBack(now) {
			t.Errorf("%s: it holds", name)
		}
		if r := (record{leasedUntil: until}); r.isLeased(now) {
			t.Errorf("%s: it is leased", name)
		}
	}
}
