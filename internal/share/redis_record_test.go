package share

import (
	"strings"
	"testing"
	"time"

	"token-fetch/internal/schema"
	"token-fetch/internal/token"
)

// What is written is read again; what is not the record of this key, with this id, is nothing.
func TestRedisRecord(t *testing.T) {
	const longest = schema.MaxSeconds * time.Second
	key, legible, sealed := Key{1}, testRedis(2, nil), testRedis(2, mustSealer(t, testKey))
	otherKey := testRedis(2, mustSealer(t, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="))
	stored := token.Token{Values: []string{"Bearer abc", ""}, ID: 77, Lifetime: longest, SubjectLifetime: 2 * longest}
	for name, r := range map[string]*Redis{"in the clear": legible, "sealed": sealed} {
		record := r.write(stored, key)
		if isLegible := strings.Contains(record, "abc"); isLegible != (r == legible) {
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
			"with a wrong id":  "x" + record[1:],
			"with another id":  formatID(78) + record[idDigits:],
			"a flipped byte":   record[:idDigits] + string(record[idDigits]^1) + record[idDigits+1:],
			"empty":            "",
			"nothing but id":   record[:idDigits],
			"larger than ever": record + strings.Repeat("x", maxRecord),
		} {
			if got, ok := r.read(changed, key); ok {
				t.Errorf("%s, %s: got %+v, expected none", name, what, got)
			}
		}
		if got, ok := testRedis(1, r.Sealer).read(record, key); ok {
			t.Errorf("%s, where a token has one value: got %+v, expected none", name, got)
		}
		if got, ok := r.read(record, Key{2}); ok && r == sealed {
			t.Errorf("%s, for another key: got %+v, expected none", name, got)
		}
	}
	for name, r := range map[string]*Redis{"another secret": otherKey, "no secret": legible} {
		if got, ok := r.read(sealed.write(stored, key), key); ok {
			t.Errorf("a sealed record, %s: got %+v, expected that it does not open", name, got)
		}
	}
	if got, ok := sealed.read(legible.write(stored, key), key); ok {
		t.Errorf("a clear record where there is a secret: got %+v, expected none", got)
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
