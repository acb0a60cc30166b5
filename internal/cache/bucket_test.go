package cache

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/fuzzing"

	"token-fetch/internal/token"
)

func keyOf(name string) *recordKey {
	var caller token.Key
	copy(caller[:], name)
	k := recordKeyOf(ownKey, caller)
	return &k
}

const placeNow = time.Hour

func leaseUntil(until time.Duration) *record { return &record{leasedUntil: until} }

func refusedUntil(until time.Duration) *record {
	return &record{failed: sharedFailure{reason: token.OtherStatus, wait: backoff{count: 1, since: placeNow, until: until}}}
}

func tokenOf(text string, until time.Duration) *record {
	return &record{token: &stored{Token: token.Token{Values: []string{text}, ID: 1}, issuedAt: placeNow, refreshAt: until, expiresAt: until, staleUntil: until}}
}

func (b bucket) count() (n int) {
	b.each(func(recordHead, []byte, []byte) bool { n++; return true })
	return n
}

func (b bucket) must(t *testing.T, name string, r *record) bucket {
	t.Helper()
	next, ok := b.with(keyOf(name), r, placeNow, callerRoom)
	if !ok {
		t.Fatalf("no room for %s in a bucket with %d records", name, b.count())
	}
	return next
}

// Callers without a good token push out nobody's token, and nobody's lease, however many they are.
func TestRefusalsPushOutRefusalsOnly(t *testing.T) {
	var b bucket
	for i := range 10 {
		b = b.must(t, fmt.Sprint("good ", i), tokenOf(strings.Repeat("x", 2000), 2*placeNow))
		b = b.must(t, fmt.Sprint("leased ", i), leaseUntil(placeNow+time.Second))
	}
	for i := range 10_000 {
		b = b.must(t, fmt.Sprint("bad ", i), refusedUntil(placeNow+10*time.Second))
	}
	for i := range 10 {
		if r := b.find(keyOf(fmt.Sprint("good ", i))); r.token == nil {
			t.Errorf("the token of caller %d was pushed out", i)
		}
		if r := b.find(keyOf(fmt.Sprint("leased ", i))); !r.isLeased(placeNow) {
			t.Errorf("the lease of caller %d was pushed out", i)
		}
	}
	if r := b.find(keyOf("bad 9999")); !r.failed.refuses(placeNow) {
		t.Error("the latest refusal is not there")
	}
	if len(b) > 32<<10 {
		t.Errorf("the bucket has %d bytes", len(b))
	}
}

func TestBucketThatIsFullOfLeases(t *testing.T) {
	var b bucket
	leases := 0
	for next, ok := b, true; ok; leases++ {
		b = next
		next, ok = b.with(keyOf(fmt.Sprint(leases)), leaseUntil(placeNow+time.Second), placeNow, callerRoom)
	}
	if leases < 20 {
		t.Errorf("there is room for %d leases, expected some dozens", leases)
	}
	b = b.must(t, "token", tokenOf("t", 2*placeNow))
	if b, ok := b.with(keyOf("later"), leaseUntil(placeNow+3*time.Second), placeNow+2*time.Second, callerRoom); !ok || b.count() != 2 {
		t.Errorf("after they have ended: %d records (%v), expected the token and the new lease", b.count(), ok)
	}
}

func TestOldestTokensMakeRoom(t *testing.T) {
	var b bucket
	for i := range 10 {
		b = b.must(t, fmt.Sprint(i), tokenOf(strings.Repeat("x", 9000), 2*placeNow))
	}
	for i := range 10 {
		if r := b.find(keyOf(fmt.Sprint(i))); (r.token != nil) != (i >= 7) {
			t.Errorf("token %d of 10: found %v, expected the latest three", i, r.token != nil)
		}
	}
}

// Whatever another plugin writes, a record that is found is the owner's, or there is none.
func TestRecordsThatOthersHaveMade(t *testing.T) {
	key, other := keyOf("a"), keyOf("b")
	own, others := key.sealed(tokenOf("token of a", 2*placeNow)), other.sealed(tokenOf("token of b", 2*placeNow))
	renamed := append(append([]byte(nil), own[:16]...), others[16:]...)
	for name, data := range map[string][]byte{
		"another's record under its name":   renamed,
		"a longer life":                     append(append([]byte(nil), own[:16]...), append([]byte{0xfe}, own[17:]...)...),
		"another's record without its name": others[16:],
		"the first half":                    own[:len(own)/2],
		"a byte more":                       append(append([]byte(nil), own...), 0),
		"nothing":                           nil,
		"only the name":                     own[:16],
	} {
		if r := bucket(withLength(data)).find(key); r.token != nil || r.owner != key.owner {
			t.Errorf("%s: got %+v, expected no token", name, r)
		}
	}
	for range 10_000 {
		data := append([]byte(nil), own...)
		data[16+rand.N(len(data)-16)] ^= byte(1 + rand.N(255))
		if r := bucket(withLength(data)).find(key); r.token != nil {
			t.Fatalf("one byte of it changed: got %+v, expected no token", r)
		}
	}
	if strings.Contains(string(own), "token of a") {
		t.Error("the record shows the token")
	}
}

// A bucket may have been written by another plugin: what is made of it is well-formed, bounded, and has the record.
func FuzzBucket(f *testing.F) {
	good := withLength(keyOf("a").sealed(tokenOf("t", 2*placeNow)))
	for _, data := range [][]byte{nil, good, good[:20], append(good, 0xff), []byte(strings.Repeat("\x01", 100)), []byte(strings.Repeat("\xff", 100))} {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzzing.InTime(t, len(data), func() {
			_ = bucket(data).find(keyOf("b"))
			next, ok := bucket(data).with(keyOf("b"), tokenOf("new", 2*placeNow), placeNow, callerRoom)
			if !ok {
				return
			}
			if r := next.find(keyOf("b")); r.token == nil || r.token.Values[0] != "new" {
				t.Errorf("got %+v, expected the token that was just written", r)
			}
			if len(next) > callerRoom.tokens+callerRoom.others {
				t.Errorf("the bucket has %d bytes", len(next))
			}
			if again, ok := next.with(keyOf("c"), refusedUntil(placeNow+time.Second), placeNow, callerRoom); ok && again.find(keyOf("b")).token == nil {
				t.Error("a refusal has pushed out a token")
			}
		})
	})
}
