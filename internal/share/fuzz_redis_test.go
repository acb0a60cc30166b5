package share

import (
	"strings"
	"testing"
	"time"

	"token-fetch/internal/token"
	"token-fetch/internal/tokentest"
)

// testRedis reads what Redis has of tokens with so many values, and has no client.
func testRedis(values int, sealer *Sealer) *Redis {
	return &Redis{Clock: tokentest.NewClock(), Prefix: "test:", Values: values, IsHeaderValue: isPrintable, Sealer: sealer}
}

func FuzzDecode(f *testing.F) {
	r, key := testRedis(2, nil), Key{1}
	f.Add(r.write(token.Token{Values: []string{"abc", "d"}, ID: 77, Lifetime: time.Minute, SubjectLifetime: time.Hour}, key))
	f.Add("")
	f.Add(strings.Repeat("f", 40))
	f.Fuzz(func(t *testing.T, record string) {
		got, ok := r.read(record, key)
		if ok && (len(got.Values) != 2 || got.ID == 0 || got.Lifetime <= 0 || aged(got, time.Second).Age > got.Lifetime) {
			t.Errorf("got %+v of %q", got, record)
		}
	})
}

func FuzzReplies(f *testing.F) {
	for _, seed := range []string{"$5\r\nhello\r\n", "-NOAUTH x\r\n", "-ERR Protocol error: unauthenticated bulk length\r\n", "$-1\r\n", "*1\r\n:1\r\n", "$18\r\ntoken 5 0000000000\r\n", "$9999999999999\r\n",
		"$24\r\nfailed 900 server_error \r\n", "$11\r\nlease 1000 \r\n"} {
		f.Add([]byte(seed))
	}
	r := testRedis(1, nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		text, err := decodeReply(data)
		if err != nil {
			return
		}
		found, ok := r.parseLook(Key{1}, LookRequest{Owner: 1}, text, r.Clock.Monotonic())
		if ok && (found.Wait < 0 || found.Wait > token.MaxRetryAfter || found.Status == InBackoff && !found.Reason.IsShared()) {
			t.Errorf("got %+v of %q", found, data)
		}
	})
}
