package fleet

import (
	"testing"
	"time"

	"token-fetch/internal/redistest"
	"token-fetch/internal/token"
)

// An upstream that rejects the tokens of all callers fills no more than maxRejections.
func TestRejectionsAreBounded(t *testing.T) {
	f := &Fetcher{Names: NewNames("test:", token.Key{})}
	for n := range 2 * maxRejections {
		f.Rejected(numbered(n), 1)
	}
	if got := len(f.rejected); got != maxRejections {
		t.Errorf("got %d rejections that wait to be told, expected %d", got, maxRejections)
	}
	if f.takeRejection(numbered(0)) != formatID(1) || f.takeRejection(numbered(2*maxRejections-1)) != "" {
		t.Error("expected that the first rejection is kept and the last one is not")
	}
}

// A rejected token serves on in the whole fleet while the token service can't answer, also in a gateway that has just
// started; but none takes it for a new one.
func TestRejectedTokenWhileServiceIsDown(t *testing.T) {
	for name, key := range map[string]string{"in the clear": "", "sealed": testKey} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := redistest.Start(t)
			s := &service{lifetime: time.Minute, takes: time.Millisecond}
			fleet := startFleet(t, redis.Address, fleetOptions{gateways: 4, service: s, key: key, backoff: 3 * time.Second})
			checkAnswers(t, askAll(fleet[:3]))
			waitFor(t, "the token in Redis", func() bool { return redis.Do("EXISTS", keyAt(1)) == ":1" })
			s.failing.Store(true)
			for _, g := range fleet[:2] { // at the same time
				g.post(func() { g.cache.Reject(g.cache.Common(), g.cache.Common().Fresh(g.Monotonic()).ID) })
			}
			for number := range 3 { // the first call fails; the others must be told so
				if token := checkAnswers(t, askAll(fleet)); token != "token-1" {
					t.Errorf("request %d: got %q, expected the rejected token", number, token)
				}
			}
			if calls := s.calls.Load(); calls > 2 {
				t.Errorf("got %d calls, expected the first one and one after the rejection", calls)
			}
			if left := redis.Do("PTTL", keyAt(1)); left <= ":0" || len(left) > len(":60000") {
				t.Errorf("got %s ms until the end of the rejected token, expected that of the token", left)
			}
			s.failing.Store(false)
			waitFor(t, "a new token in all gateways that know of the rejection", func() bool {
				for _, a := range askAll([]*gateway{fleet[0], fleet[1], fleet[3]}) {
					if a.token == "token-1" || a.err != nil {
						return false
					}
				}
				return true
			})
			if calls := s.calls.Load(); calls > 4 {
				t.Errorf("got %d calls, expected few", calls)
			}
		})
	}
}

// What Redis says of a rejected token: it is never a token to be used without a failure.
func TestRepliesWithRejectedToken(t *testing.T) {
	rejected := rejectedMark + record("old")
	tests := map[string]struct {
		reply    string
		isServed bool // along with a failure
	}{
		"with a failure":    {"failed 900 server_error 20000 " + rejected, true},
		"with a refusal":    {"failed 900 other_status 20000 " + rejected, true},
		"that has ended":    {"failed 900 server_error 0 " + rejected, false},
		"as a good one":     {"token 20000 " + rejected, false},
		"a failure alone":   {"failed 900 server_error ", false},
		"marked repeatedly": {"failed 900 server_error 20000 !" + rejected, false},
	}
	for name, tt := range tests {
		g := newLonely()
		var got *token.Error
		g.Fetcher.Fetch(token.Query{}, func(given token.Token, err *token.Error) {
			if err == nil {
				t.Errorf("%s: got %+v, expected no token without a failure", name, given)
			}
			got = err
		})
		g.reply(tt.reply)
		if isServed := got != nil && got.StandIn != nil; isServed != tt.isServed {
			t.Errorf("%s: got %+v, expected the token to serve on: %t", name, got, tt.isServed)
		} else if isServed && (got.StandIn.Lifetime > 20*time.Second || got.StandIn.Values[0] != "old") {
			t.Errorf("%s: got %+v, expected the rejected token for 20 s at most", name, got.StandIn)
		}
	}
}
