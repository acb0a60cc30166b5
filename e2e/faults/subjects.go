package faults

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"token-fetch/e2e/harness"
)

// subject is what a client brings to be exchanged.
type subject struct {
	kind      string
	value     string    // of the Authorization header; "" for none
	token     string    // in it
	expiresAt time.Time // until when it is exchanged; zero when it does not say
	want      answer    // what it must be answered without any call; nothing: what the call brings
	either    answer    // that it may be answered as well
}

func (s *subject) kindText() string {
	if s == nil {
		return ""
	}
	return ", " + s.kind
}

// subjects are those of the callers of the token exchange.
type subjects struct {
	callers []*subject // with good tokens of their own
	hostile []func(random *rand.Rand) *subject
}

func newSubjects() *subjects {
	s := &subjects{}
	for i := range 12 {
		s.callers = append(s.callers, bearer("an opaque token", fmt.Sprintf("%s-subject-%d", harness.SecretMark, i), time.Time{}))
	}
	later := time.Now().Add(24 * time.Hour)
	for i := range 6 {
		token := jwt(fmt.Sprintf(`{"sub":"caller-%d","exp":%d}`, i, expOf(later)), fmt.Sprintf("%s-jwt-%d", harness.SecretMark, i))
		s.callers = append(s.callers, bearer("a JWT", token, later))
	}
	s.hostile = []func(*rand.Rand) *subject{missing401, expired, deepSubject, longest, tooLong, garbage}
	return s
}

func bearer(kind, token string, expiresAt time.Time) *subject {
	return &subject{kind: kind, value: "Bearer " + token, token: token, expiresAt: expiresAt}
}

// expOf is the exp of a token that is exchanged until end.
func expOf(end time.Time) int64 { return end.Add(-harness.SubjectLeeway).Unix() }

// choose takes one of the callers, one whose token soon ends, or a hostile one.
func (s *subjects) choose(random *rand.Rand) *subject {
	switch random.IntN(8) {
	case 0, 1:
		return s.hostile[random.IntN(len(s.hostile))](random)
	case 2:
		return endsSoon(random)
	default:
		return s.callers[random.IntN(len(s.callers))]
	}
}

// endsSoon has a few callers whose tokens end every three seconds and are then replaced.
func endsSoon(random *rand.Rand) *subject {
	const every = 3
	end := time.Unix((time.Now().Unix()/every+1)*every, 0)
	number := random.IntN(3)
	token := jwt(fmt.Sprintf(`{"sub":"short-%d","exp":%d}`, number, expOf(end)), fmt.Sprintf("%s-short-%d", harness.SecretMark, number))
	s := bearer("a JWT near its end", token, end)
	s.either = subjectRefused
	return s
}

func missing401(*rand.Rand) *subject { return &subject{kind: "no token", want: subjectMissing} }

func expired(random *rand.Rand) *subject {
	end := time.Now().Add(-time.Duration(10+random.IntN(100)) * time.Second)
	token := jwt(fmt.Sprintf(`{"exp":%d}`, expOf(end)), harness.SecretMark+"-expired")
	s := bearer("an expired JWT", token, end)
	s.want = subjectRefused
	return s
}

// deepSubject is no JWT for the plugin, which has to let the authorization server judge it.
func deepSubject(random *rand.Rand) *subject {
	claims := strings.Repeat("[", 12_000)
	if random.IntN(2) == 0 {
		claims = `{"exp":1,"a":` + strings.Repeat(`{"a":`, 1_900) + "1" + strings.Repeat("}", 1_900) + "}"
	}
	return bearer("a JWT of deep JSON", jwt(claims, harness.SecretMark+"-deep"), time.Time{})
}

// longest is as long as a token may be.
func longest(*rand.Rand) *subject {
	token := harness.SecretMark + "-longest-"
	return bearer("a token of 16 KiB", token+strings.Repeat("x", 16<<10-len(token)), time.Time{})
}

func tooLong(*rand.Rand) *subject {
	s := bearer("a token of 20 kB", harness.SecretMark+strings.Repeat("x", 20_000), time.Time{})
	s.want, s.either = subjectMissing, subjectRefused
	return s
}

func garbage(random *rand.Rand) *subject {
	values := []string{
		"Bearer", "Bearer ", `Bearer "` + harness.SecretMark + `"`, "Bearer " + harness.SecretMark + " " + harness.SecretMark,
		"Basic " + harness.SecretMark, harness.SecretMark, "Bearer " + harness.SecretMark + "\xff", "Bearer " + harness.SecretMark + "\t1", ",",
	}
	return &subject{kind: "garbage", value: values[random.IntN(len(values))], want: subjectMissing, either: subjectRefused}
}

// subjectTexts say what the gateway does, for the page.
var subjectTexts = map[string]string{
	"an opaque token":    "exchanges it once for all of the caller's requests",
	"a JWT":              "exchanges it once for all of the caller's requests",
	"a JWT near its end": "exchanges it until a minute after its `exp`; the token never outlives that, and then 401 with `error=\"invalid_token\"`",
	"no token":           "401, no call",
	"an expired JWT":     "401 with `error=\"invalid_token\"`, no call",
	"a JWT of deep JSON": "takes it for an opaque token: it is not JSON",
	"a token of 16 KiB":  "exchanges it",
	"a token of 20 kB":   "401, no call",
	"garbage":            "401, no call",
}
