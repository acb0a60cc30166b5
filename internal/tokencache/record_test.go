package tokencache

import (
	"fmt"
	"testing"
	"time"
)

func TestRecordThatIsMalformed(t *testing.T) {
	a := newWorker(defaults())
	a.fetchOnce(t, good("t1", time.Minute))
	two := defaults()
	two.Values = 2
	foreign := newWorker(two)
	foreign.fetchOnce(t, Result{Grant: Grant{Values: []string{"t1", "more"}, Lifetime: time.Minute}})
	for name, spoil := range map[string]func([]byte) []byte{
		"empty":  func([]byte) []byte { return nil },
		"cut":    func(data []byte) []byte { return data[:len(data)-1] },
		"longer": func(data []byte) []byte { return append(data, 0) },
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

func TestRecordRoundTrip(t *testing.T) {
	records := map[string]record{
		"a token": {owner: ownKey, endsAt: time.Unix(1, 2), renewedUntil: 5, token: &Token{
			Values: []string{"Bearer a", "", "c"}, id: 9, issuedAt: 1, refreshAt: 2, expiresAt: 3, staleUntil: 4}},
		"no token": {owner: ownKey, rejections: backoff{count: 3, until: time.Hour}},
	}
	for name, want := range records {
		got, ok := decodeRecord(want.encode())
		if !ok || fmt.Sprintf("%+v", got.token) != fmt.Sprintf("%+v", want.token) || got.owner != want.owner ||
			got.renewedUntil != want.renewedUntil || got.rejections != want.rejections || !got.endsAt.Equal(want.endsAt) {
			t.Errorf("%s: got %+v (%v), expected %+v", name, got, ok, want)
		}
	}
}
