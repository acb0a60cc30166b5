package tokenservice

import (
	"fmt"
	"net/http"
	"strings"
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

func (s issuerSays) String() string {
	var words []string
	for i, said := range [...]bool{s.expiresIn, s.date, s.iat} {
		if said {
			words = append(words, [...]string{"expires_in", "Date", "iat"}[i])
		}
	}
	if len(words) == 0 {
		return "only exp"
	}
	return strings.Join(words, "+")
}

// clockTrial is a gateway that needs a token all the time, for three lifetimes.
type clockTrial struct {
	service        *Service
	issuer, caller time.Duration // by how much they are ahead of the right time
	gateway        time.Duration
	life           time.Duration
	says           issuerSays
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
	callerToken := jwt(fmt.Sprintf(`{"exp": %d}`, start.Add(c.caller+7*24*time.Hour).Unix()))
	for at := time.Duration(0); at < clockLives*c.life; at += c.life / requestsEach {
		if at >= fresh {
			t.calls++
			grant, ends := c.call(start.Add(at), callerToken)
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
func (c clockTrial) call(now time.Time, callerToken string) (Grant, time.Time) {
	issuedAt := now.Add(callLatency + c.issuer)
	claims := fmt.Sprintf(`{"exp": %d`, issuedAt.Unix()+int64(c.life.Seconds()))
	if c.says.iat {
		claims += fmt.Sprintf(`, "iat": %d`, issuedAt.Unix())
	}
	a := &Answer{Status: 200, Took: 2 * callLatency}
	body := `{"access_token": "` + jwt(claims+"}") + `"`
	if c.says.expiresIn {
		body += fmt.Sprintf(`, "expires_in": %d`, int64(c.life.Seconds()))
	}
	if c.says.date {
		a.Headers = [][2]string{{"date", issuedAt.UTC().Format(http.TimeFormat)}}
	}
	a.Body = []byte(body + "}")
	grant, failed := c.service.Grant(a, callerWith(c.service, callerToken), now.Add(c.gateway))
	if failed != nil {
		panic(failed)
	}
	return grant, time.Unix(issuedAt.Unix()+int64(c.life.Seconds()), 0)
}

// A token call for each lifetime, and no token past its end by the issuer's clock, whosever clock is off and by how much, as
// far as the answers tell. go test -v prints the table.
func TestClocks(t *testing.T) {
	service := mustRead(t, oauth2Config(exchange, ""))
	t.Logf("token calls in %d lifetimes (a call for each request would be %d), tokens used past their end by the issuer's clock, calls with a warning", clockLives, clockLives*requestsEach)
	t.Logf("%8s %8s %8s  %-22s %s", "issuer", "gateway", "caller", "answers have", "most calls of any lifetime, past the end, warned")
	for _, says := range allThatIssuersSay {
		for _, issuer := range clockOffsets {
			for _, gateway := range clockOffsets {
				for _, caller := range clockOffsets {
					c := clockTrial{service: service, says: says}
					c.issuer, c.gateway, c.caller = time.Duration(issuer)*time.Second, time.Duration(gateway)*time.Second, time.Duration(caller)*time.Second
					var worst tally
					for _, life := range tokenLives {
						c.life = life
						got := c.run()
						c.check(t, got)
						worst = tally{max(worst.calls, got.calls), worst.pastEnd + got.pastEnd, worst.warned + got.warned}
					}
					if caller == 0 {
						t.Logf("%8d %8d %8s  %-22s %d calls, %d past their end, %d warned", issuer, gateway, "any", says, worst.calls, worst.pastEnd, worst.warned)
					}
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
		t.Errorf("%+v, %s: %d requests had a token past its end, expected none", c, c.says, got.pastEnd)
	}
	fewest := clockLives + 1 // the last one is begun
	switch {
	case c.says == issuerSays{date: true} && ahead < 0:
		if got.calls > 3*fewest { // nothing confirms that Date is the clock by which the token ends
			t.Errorf("%+v, %s: %d calls, expected at most %d", c, c.says, got.calls, 3*fewest)
		}
	case c.says.date || ahead >= 0:
		if got.calls > fewest {
			t.Errorf("%+v, %s: %d calls, expected at most %d", c, c.says, got.calls, fewest)
		}
	case got.calls == clockLives*requestsEach && got.warned != got.calls:
		t.Errorf("%+v, %s: %d calls, a call for each request, and %d with a warning", c, c.says, got.calls, got.warned)
	case c.says.expiresIn && got.calls == clockLives*requestsEach:
		t.Errorf("%+v, %s: a call for each request, although expires_in says how long the token lives", c, c.says)
	}
	if got.warned > 0 && c.says.date {
		t.Errorf("%+v, %s: %d warnings, expected none where there is a Date", c, c.says, got.warned)
	}
}

// A caller's token is taken for as long as its issuer's clock and the gateway's differ by no more than the leeway, and
// never for longer than the leeway past its end by the gateway's.
func TestCallersClocks(t *testing.T) {
	service := mustRead(t, oauth2Config(exchange, ""))
	start := time.Unix(1795435200, 0)
	for _, gateway := range clockOffsets {
		for _, caller := range clockOffsets {
			for _, life := range tokenLives {
				token := jwt(fmt.Sprintf(`{"exp": %d}`, start.Add(time.Duration(caller)*time.Second+life).Unix()))
				refusedEarly, takenLate := 0, 0
				for at := time.Duration(0); at < 2*life; at += life / requestsEach {
					now := start.Add(at + time.Duration(gateway)*time.Second)
					isOver := at >= life // by its issuer's clock
					isRefused := callerWith(service, token).HasExpired(now)
					if isRefused && !isOver {
						refusedEarly++
					}
					if !isRefused && at >= life+time.Duration(caller-gateway)*time.Second+subjectLeeway {
						takenLate++
					}
				}
				if isClose := gateway-caller <= int(subjectLeeway.Seconds()); isClose && refusedEarly > 0 {
					t.Errorf("gateway %d s, caller %d s, %s: %d requests refused whose token was good", gateway, caller, life, refusedEarly)
				}
				if takenLate > 0 {
					t.Errorf("gateway %d s, caller %d s, %s: %d requests taken past the leeway", gateway, caller, life, takenLate)
				}
			}
		}
	}
}
