package share

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/fuzzing"

	"token-fetch/internal/token"
)

// keyNamed is the key of a caller of that name.
func keyNamed(name string) *recordKey {
	k := recordKeyOf(keyOf(ownKey, named(name)))
	return &k
}

const placeNow = time.Hour

func leaseUntil(until time.Duration) *record { return &record{leaseOwner: 1, leaseEnds: until} }

func refusedUntil(until time.Duration) *record {
	return &record{failure: token.OtherStatus, failureBackoff: backoff{count: 1, until: until}}
}

func tokenOf(text string, until time.Duration) *record {
	t := token.Token{Values: []string{text}, ID: 1, Lifetime: until - placeNow}
	return &record{token: t, issuedAt: placeNow, dueAt: until, endsAt: time.Unix(1, 0)}
}

func has(b bucket, name string) bool {
	r := b.find(keyNamed(name))
	return r.hasToken()
}

func (b bucket) count() (n int) {
	b.each(func(recordHead, []byte, []byte) bool { n++; return true })
	return n
}

func (b bucket) must(t *testing.T, name string, r *record) bucket {
	t.Helper()
	next, ok := b.with(keyNamed(name), r, placeNow, callerQuota)
	if !ok {
		t.Fatalf("no room for %s in a bucket with %d records", name, b.count())
	}
	return next
}

// Callers without a valid token never evict a token or a lease, however many they are.
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
		if r := b.find(keyNamed(fmt.Sprint("good ", i))); !r.hasToken() {
			t.Errorf("the token of caller %d was pushed out", i)
		}
		if r := b.find(keyNamed(fmt.Sprint("leased ", i))); !r.isLeased(placeNow) {
			t.Errorf("the lease of caller %d was pushed out", i)
		}
	}
	if r := b.find(keyNamed("bad 9999")); r.failureBackoff.count == 0 {
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
		next, ok = b.with(keyNamed(fmt.Sprint(leases)), leaseUntil(placeNow+time.Second), placeNow, callerQuota)
	}
	if leases < 20 {
		t.Errorf("there is room for %d leases, expected some dozens", leases)
	}
	b = b.must(t, "token", tokenOf("t", 2*placeNow))
	if b, ok := b.with(keyNamed("later"), leaseUntil(placeNow+3*time.Second), placeNow+2*time.Second, callerQuota); !ok || b.count() != 2 {
		t.Errorf("after they have ended: %d records (%v), expected the token and the new lease", b.count(), ok)
	}
}

// Whatever another plugin writes, only the owner's record is found, or none.
func TestRecordsThatOthersHaveMade(t *testing.T) {
	key, other := keyNamed("a"), keyNamed("b")
	own, others := key.seal(tokenOf("token of a", 2*placeNow)), other.seal(tokenOf("token of b", 2*placeNow))
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
		if r := bucket(withLength(data)).find(key); r.hasToken() || r.owner != key.owner {
			t.Errorf("%s: got %+v, expected no token", name, r)
		}
	}
	for range 10_000 {
		data := append([]byte(nil), own...)
		data[16+rand.N(len(data)-16)] ^= byte(1 + rand.N(255))
		if r := bucket(withLength(data)).find(key); r.hasToken() {
			t.Fatalf("one byte of it changed: got %+v, expected no token", r)
		}
	}
	if strings.Contains(string(own), "token of a") {
		t.Error("the record shows the token")
	}
}

// A bucket may have been written by another plugin: what is made of it is well-formed, bounded, and has the record.
func FuzzBucket(f *testing.F) {
	good := withLength(keyNamed("a").seal(tokenOf("t", 2*placeNow)))
	for _, data := range [][]byte{nil, good, good[:20], append(good, 0xff), []byte(strings.Repeat("\x01", 100)), []byte(strings.Repeat("\xff", 100))} {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzzing.InTime(t, len(data), func() {
			_ = bucket(data).find(keyNamed("b"))
			next, ok := bucket(data).with(keyNamed("b"), tokenOf("new", 2*placeNow), placeNow, callerQuota)
			if !ok {
				return
			}
			if r := next.find(keyNamed("b")); !r.hasToken() || r.token.Values[0] != "new" {
				t.Errorf("got %+v, expected the token that was just written", r)
			}
			if len(next) > callerQuota.tokens+callerQuota.others {
				t.Errorf("the bucket has %d bytes", len(next))
			}
			if again, ok := next.with(keyNamed("c"), refusedUntil(placeNow+time.Second), placeNow, callerQuota); ok && !has(again, "b") {
				t.Error("a refusal has pushed out a token")
			}
		})
	})
}
