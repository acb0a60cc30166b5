package fleet

import (
	"strings"
	"testing"
	"time"

	"token-fetch/internal/schema"
	"token-fetch/internal/token"
)

func mustSealer(t *testing.T) *Sealer {
	t.Helper()
	sealer, err := NewSealer(testKey)
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

func TestRecord(t *testing.T) {
	token := token.Token{Values: []string{"Bearer abc", ""}, ID: 77, Lifetime: 90 * time.Second, SubjectLifetime: 2 * time.Minute}
	for name, sealer := range map[string]*Sealer{"in the clear": nil, "sealed": mustSealer(t)} {
		record := encode(token, "key", sealer)
		if isLegible := strings.Contains(record, "abc"); isLegible != (sealer == nil) {
			t.Errorf("%s: got a record with the token in it: %t", name, isLegible)
		}
		got, ok := decode(record, "key", sealer, 2)
		if !ok || got.ID != 77 || got.Lifetime != token.Lifetime || got.SubjectLifetime != token.SubjectLifetime || strings.Join(got.Values, "|") != "Bearer abc|" {
			t.Errorf("%s: got %+v, %t; expected %+v", name, got, ok, token)
		}
		for what, change := range map[string]func() (grant, bool){
			"cut":              func() (grant, bool) { return decode(record[:len(record)-1], "key", sealer, 2) },
			"longer":           func() (grant, bool) { return decode(record+"x", "key", sealer, 2) },
			"of fewer values":  func() (grant, bool) { return decode(record, "key", sealer, 1) },
			"of more values":   func() (grant, bool) { return decode(record, "key", sealer, 3) },
			"without an id":    func() (grant, bool) { return decode(strings.Repeat("0", idDigits)+record[idDigits:], "key", sealer, 2) },
			"with a wrong id":  func() (grant, bool) { return decode("x"+record[1:], "key", sealer, 2) },
			"empty":            func() (grant, bool) { return decode("", "key", sealer, 2) },
			"larger than ever": func() (grant, bool) { return decode(record+strings.Repeat("x", maxRecord), "key", sealer, 2) },
		} {
			if g, ok := change(); ok {
				t.Errorf("%s, %s: got %+v, expected none", name, what, g)
			}
		}
	}
}

// A token of the longest lifetime, for a caller whose own lives as long as tokenservice says at most.
func TestRecordOfTheLongestLifetimes(t *testing.T) {
	const longest = schema.MaxSeconds * time.Second
	token := token.Token{Values: []string{"abc"}, ID: 77, Lifetime: longest, SubjectLifetime: 2 * longest}
	got, ok := decode(encode(token, "key", nil), "key", nil, 1)
	if !ok || got.Lifetime != token.Lifetime || got.SubjectLifetime != token.SubjectLifetime {
		t.Errorf("got %+v, %t; expected %+v", got, ok, token)
	}
}

func TestSealIsBoundToItsPlace(t *testing.T) {
	token := token.Token{Values: []string{"abc"}, ID: 77, Lifetime: time.Minute}
	record := encode(token, "key", mustSealer(t))
	other, err := NewSealer("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	if err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() (grant, bool){
		"another key":    func() (grant, bool) { return decode(record, "key 2", mustSealer(t), 1) },
		"another id":     func() (grant, bool) { return decode(formatID(78)+record[idDigits:], "key", mustSealer(t), 1) },
		"another secret": func() (grant, bool) { return decode(record, "key", other, 1) },
		"no secret":      func() (grant, bool) { return decode(record, "key", nil, 1) },
		"a clear record": func() (grant, bool) { return decode(encode(token, "key", nil), "key", mustSealer(t), 1) },
		"nothing but id": func() (grant, bool) { return decode(record[:idDigits], "key", mustSealer(t), 1) },
		"a flipped byte": func() (grant, bool) {
			return decode(record[:40]+string(record[40]^1)+record[41:], "key", mustSealer(t), 1)
		},
		"a changed nonce": func() (grant, bool) {
			return decode(record[:16]+string(record[16]^1)+record[17:], "key", mustSealer(t), 1)
		},
	} {
		if g, ok := open(); ok {
			t.Errorf("%s: got %+v, expected that it does not open", name, g)
		}
	}
}

// What is left of a token, and of its subject, is what Redis has left of it, and never more than at first.
func TestAged(t *testing.T) {
	of := grant{Token: token.Token{Lifetime: time.Minute, SubjectLifetime: 90 * time.Second}}
	tests := map[string]struct{ left, lifetime, subject time.Duration }{
		"fresh":             {time.Minute, time.Minute, 90 * time.Second},
		"older":             {20 * time.Second, 20 * time.Second, 50 * time.Second},
		"kept for too long": {time.Hour, time.Minute, 90 * time.Second},
	}
	for name, tt := range tests {
		if got := of.aged(tt.left); got.Lifetime != tt.lifetime || got.SubjectLifetime != tt.subject {
			t.Errorf("%s: got %s and the subject's %s, expected %s and %s", name, got.Lifetime, got.SubjectLifetime, tt.lifetime, tt.subject)
		}
	}
	if got := (grant{Token: token.Token{Lifetime: time.Minute}}).aged(time.Second); got.SubjectLifetime != 0 {
		t.Errorf("without a subject: got %s, expected none", got.SubjectLifetime)
	}
}

func FuzzDecode(f *testing.F) {
	token := token.Token{Values: []string{"abc", "d"}, ID: 77, Lifetime: time.Minute, SubjectLifetime: time.Hour}
	f.Add(encode(token, "key", nil))
	f.Add("")
	f.Add(strings.Repeat("f", 40))
	f.Fuzz(func(t *testing.T, record string) {
		g, ok := decode(record, "key", nil, 2)
		if ok && (len(g.Values) != 2 || g.ID == 0 || g.Lifetime <= 0 || g.aged(time.Second).Lifetime > g.Lifetime) {
			t.Errorf("got %+v of %q", g, record)
		}
	})
}

func FuzzReplies(f *testing.F) {
	for _, seed := range []string{"$5\r\nhello\r\n", "-NOAUTH x\r\n", "-ERR Protocol error: unauthenticated bulk length\r\n", "$-1\r\n", "*1\r\n:1\r\n", "$18\r\ntoken 5 0000000000\r\n", "$9999999999999\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text, err := decodeReply(data)
		if err != nil {
			return
		}
		if r, ok := parseReply(text); ok && (r.time < 0 || r.word == "") {
			t.Errorf("got %+v of %q", r, data)
		}
	})
}
