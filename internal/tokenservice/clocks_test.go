package tokenservice

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// clockOffsets are by how much clocks are off, in seconds.
var clockOffsets = []int{0, 40, -40, 400, -400}

var tokenLives = []time.Duration{30 * time.Second, time.Minute, 5 * time.Minute, time.Hour, 24 * time.Hour}

// issuerSays is what an answer tells of its token's life, besides the exp that each has.
type issuerSays struct{ expiresIn, date, iat bool }

var allThatIssuersSay = []issuerSays{
	{false, false, false}, {false, false, true}, {false, true, false}, {false, true, true},
	{true, false, false}, {true, false, true}, {true, true, false}, {true, true, true},
}

// clockTrial is a gateway that needs a token all the time, for three lifetimes.
type clockTrial struct {
	service         *Service
	issuer, gateway time.Duration // by how much they are ahead of the right time
	life            time.Duration
	says            issuerSays
}

// tally is what came of it.
type tally struct{ calls, pastEnd, warned int }

const (
	clockLives   = 3                      // for how many lifetimes a trial goes on
	requestsEach = 60                     // in a lifetime
	callLatency  = 150 * time.Millisecond // each way
)

// run lets the right time go on from one that is no whole second.
func (c clockTrial) run() (t tally) {
	start := time.Unix(1795435200, 730_000_000)
	var fresh, end time.Duration // of the gateway's token: until when it is kept, and its end by the issuer's clock
	for at := time.Duration(0); at < clockLives*c.life; at += c.life / requestsEach {
		if at >= fresh {
			t.calls++
			grant, ends := c.call(start.Add(at))
			fresh, end = at+grant.Lifetime, ends.Sub(start)
			if grant.Uncached != "" {
				t.warned++
			}
			continue // the token that has just come is used at once, whatever it says
		}
		late := time.Second // exp has whole seconds, and expires_in counts from somewhere in one of them
		if c.says.date {
			late = 0
		}
		if at+c.issuer >= end+late {
			t.pastEnd++
		}
	}
	return t
}

// call is answered with a new token, which has an end by the issuer's clock.
func (c clockTrial) call(now time.Time) (Grant, time.Time) {
	issuedAt := now.Add(callLatency + c.issuer)
	claims := fmt.Sprintf(`{"exp": %d`, issuedAt.Unix()+int64(c.life.Seconds()))
	if c.says.iat {
		claims += fmt.Sprintf(`, "iat": %d`, issuedAt.Unix())
	}
	a := &Response{Status: 200, Took: 2 * callLatency}
	body := `{"access_token": "` + jwt(claims+"}") + `"`
	if c.says.expiresIn {
		body += fmt.Sprintf(`, "expires_in": %d`, int64(c.life.Seconds()))
	}
	if c.says.date {
		a.Headers = [][2]string{{"date", issuedAt.UTC().Format(http.TimeFormat)}}
	}
	a.Body = []byte(body + "}")
	grant, failed := c.service.Grant(a, nil, now.Add(c.gateway))
	if failed != nil {
		panic(failed)
	}
	return grant, time.Unix(issuedAt.Unix()+int64(c.life.Seconds()), 0)
}

// A token call for each lifetime, and no token past its end by the issuer's clock, whosever clock is off and by how much, as
// far as the answers tell.
func TestClocks(t *testing.T) {
	service := mustRead(t, oauth2Config(`"clientId": "id", "clientSecret": "s3cr3t"`, ""))
	for _, says := range allThatIssuersSay {
		for _, issuer := range clockOffsets {
			for _, gateway := range clockOffsets {
				for _, life := range tokenLives {
					c := clockTrial{service, time.Duration(issuer) * time.Second, time.Duration(gateway) * time.Second, life, says}
					c.check(t, c.run())
				}
			}
		}
	}
}

// check says what must hold. Without Date, a gateway can't know that the issuer's clock is behind; without that, iat and
// expires_in, nothing tells that it is ahead.
func (c clockTrial) check(t *testing.T, got tally) {
	t.Helper()
	ahead := c.issuer - c.gateway
	isKnown := c.says.date || c.says.iat || c.says.expiresIn || ahead <= 0
	if got.pastEnd > 0 && isKnown {
		t.Errorf("%+v: %d requests had a token past its end, expected none", c, got.pastEnd)
	}
	fewest := clockLives + 1 // the last one is begun
	switch {
	case c.says == issuerSays{date: true} && ahead < 0:
		if got.calls > 3*fewest { // nothing confirms that Date is the clock by which the token ends
			t.Errorf("%+v: %d calls, expected at most %d", c, got.calls, 3*fewest)
		}
	case c.says.date || ahead >= 0:
		if got.calls > fewest {
			t.Errorf("%+v: %d calls, expected at most %d", c, got.calls, fewest)
		}
	case got.calls == clockLives*requestsEach && got.warned != got.calls:
		t.Errorf("%+v: %d calls, a call for each request, and %d with a warning", c, got.calls, got.warned)
	case c.says.expiresIn && got.calls == clockLives*requestsEach:
		t.Errorf("%+v: a call for each request, although expires_in says how long the token lives", c)
	}
	if got.warned > 0 && c.says.date {
		t.Errorf("%+v: %d warnings, expected none where there is a Date", c, got.warned)
	}
}
