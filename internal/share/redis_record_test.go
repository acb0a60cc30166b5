package share

import (
	"strings"
	"testing"
	"time"

	"token-fetch/internal/schema"
	"token-fetch/internal/token"
)

func TestRedisRecord(t *testing.T) {
	key := Key{1}
	stored := token.Token{Values: []string{"Bearer abc", ""}, ID: 77, Lifetime: 90 * time.Second, SubjectLifetime: 2 * time.Minute}
	for name, sealer := range map[string]*Sealer{"in the clear": nil, "sealed": mustSealer(t, testKey)} {
		r := testRedis(2, sealer)
		record := r.write(stored, key)
		if isLegible := strings.Contains(record, "abc"); isLegible != (sealer == nil) {
			t.Errorf("%s: got a record with the token in it: %t", name, isLegible)
		}
		got, ok := r.read(record, key)
		if !ok || got.ID != 77 || got.Lifetime != stored.Lifetime || got.SubjectLifetime != stored.SubjectLifetime || strings.Join(got.Values, "|") != "Bearer abc|" {
			t.Errorf("%s: got %+v, %t; expected %+v", name, got, ok, stored)
		}
		for what, changed := range map[string]string{
			"cut":              record[:len(record)-1],
			"longer":           record + "x",
			"without an id":    strings.Repeat("0", idDigits) + record[idDigits:],
			"with another id":  formatID(78) + record[idDigits:],
			"with a wrong id":  "x" + record[1:],
			"empty":            "",
			"nothing but id":   record[:idDigits],
			"larger than ever": record + strings.Repeat("x", maxRecord),
		} {
			if got, ok := r.read(changed, key); ok {
				t.Errorf("%s, %s: got %+v, expected none", name, what, got)
			}
		}
		for _, values := range []int{1, 3} {
			if got, ok := testRedis(values, sealer).read(record, key); ok {
				t.Errorf("%s, where a token has %d values: got %+v, expected none", name, values, got)
			}
		}
	}
}

// A token of the longest lifetime, for a caller whose own lives as long as tokenservice says at most.
func TestRecordOfTheLongestLifetimes(t *testing.T) {
	const longest = schema.MaxSeconds * time.Second
	stored := token.Token{Values: []string{"abc"}, ID: 77, Lifetime: longest, SubjectLifetime: 2 * longest}
	r := testRedis(1, nil)
	got, ok := r.read(r.write(stored, Key{1}), Key{1})
	if !ok || got.Lifetime != stored.Lifetime || got.SubjectLifetime != stored.SubjectLifetime {
		t.Errorf("got %+v, %t; expected %+v", got, ok, stored)
	}
}

func TestSealIsBoundToItsPlace(t *testing.T) {
	key, sealed, legible := Key{1}, testRedis(1, mustSealer(t, testKey)), testRedis(1, nil)
	stored := token.Token{Values: []string{"abc"}, ID: 77, Lifetime: time.Minute}
	record := sealed.write(stored, key)
	flipped := []byte(record)
	flipped[len(flipped)/2] ^= 1
	tests := map[string]struct {
		by     *Redis
		record string
		key    Key
	}{
		"another key":     {sealed, record, Key{2}},
		"another id":      {sealed, formatID(78) + record[idDigits:], key},
		"another secret":  {testRedis(1, mustSealer(t, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")), record, key},
		"no secret":       {legible, record, key},
		"a clear record":  {sealed, legible.write(stored, key), key},
		"a flipped byte":  {sealed, string(flipped), key},
		"a changed nonce": {sealed, record[:idDigits] + string(record[idDigits]^1) + record[idDigits+1:], key},
	}
	for name, test := range tests {
		if got, ok := test.by.read(test.record, test.key); ok {
			t.Errorf("%s: got %+v, expected that it does not open", name, got)
		}
	}
}

// What is left of a token is what Redis has left of it, and never more than at first.
func TestAged(t *testing.T) {
	of := token.Token{Lifetime: time.Minute}
	for left, want := range map[time.Duration]time.Duration{time.Minute: 0, 20 * time.Second: 40 * time.Second, time.Hour: 0, 0: time.Minute} {
		if got := aged(of, left).Age; got != want {
			t.Errorf("%s left: got an age of %s, expected %s", left, got, want)
		}
	}
}

// What Redis has may be anybody's, without an encryptionKey.
func TestValueThatNoHeaderCanCarry(t *testing.T) {
	tests := map[string]struct {
		value string
		ok    bool
	}{
		"a token":      {"Bearer a.b~c", true},
		"no token":     {"", false},
		"a new header": {"a\r\nx-admin: true", false},
		"a line end":   {"a\n", false},
		"a zero":       {"a\x00", false},
		"DEL":          {"a\x7f", false},
		"too long":     {strings.Repeat("x", 64<<10+1), false},
	}
	r := testRedis(1, nil)
	for name, tt := range tests {
		record := r.write(token.Token{Values: []string{tt.value}, ID: 1, Lifetime: time.Minute}, Key{1})
		if _, ok := r.read(record, Key{1}); ok != tt.ok {
			t.Errorf("%s: got %t, expected %t", name, ok, tt.ok)
		}
	}
}

// What Redis says of a rejected token: it is never a token to be used without a failure.
func TestRepliesWithRejectedToken(t *testing.T) {
	r, key := testRedis(1, nil), Key{1}
	rejected := rejectedMark + r.write(token.Token{Values: []string{"old"}, ID: 1, Lifetime: time.Minute}, key)
	tests := map[string]struct {
		reply    string
		standsIn bool
	}{
		"with a failure":    {"failed 900 server_error 20000 " + rejected, true},
		"with a refusal":    {"failed 900 other_status 20000 " + rejected, true},
		"with the lease":    {"lease 900 20000 " + rejected, true},
		"with a busy":       {"busy 900 20000 " + rejected, true},
		"that has ended":    {"failed 900 server_error 0 " + rejected, false},
		"a failure alone":   {"failed 900 server_error ", false},
		"marked repeatedly": {"failed 900 server_error 20000 !" + rejected, false},
		"not marked":        {"failed 900 server_error 20000 " + rejected[1:], false},
	}
	for name, test := range tests {
		found, ok := r.parseLook(key, LookRequest{Owner: 1}, test.reply, r.Clock.Monotonic())
		if !ok || found.Status == TokenFound || (found.Fallback != nil) != test.standsIn {
			t.Errorf("%s: got %+v, %t; expected no token, and one that stands in: %t", name, found, ok, test.standsIn)
		}
	}
	if found, ok := r.parseLook(key, LookRequest{Owner: 1}, "token 20000 "+rejected, r.Clock.Monotonic()); ok {
		t.Errorf("as a good one: got %+v, expected none", found)
	}
}
