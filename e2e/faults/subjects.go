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
	kind  *subjectKind
	value string    // of the Authorization header; "" for none
	end   time.Time // until when it is exchanged; zero when it does not say
}

// token is whose token the request needs.
func (s *subject) token() string { return strings.TrimPrefix(s.value, "Bearer ") }

// subjectKind makes subjects. Those of a good kind are of a few callers.
type subjectKind struct {
	name    string
	gateway string // what the gateway does, for the page
	weight  int
	answers []result // that they get without any call; nil: what the call brings
	make    func() (value string, end time.Time)
}

const expired = "an expired JWT"

var subjectKinds = []*subjectKind{
	{name: "an opaque token", gateway: "exchanges it once for all of the caller's requests", weight: 10, make: opaque},
	{name: "a JWT", gateway: "exchanges it once for all of the caller's requests", weight: 5, make: func() (string, time.Time) {
		return subjectJWT("caller", rand.IntN(6), begun.Add(24*time.Hour))
	}},
	{
		name: "a JWT near its expiry", weight: 3, make: endsSoon,
		gateway: "exchanges it until a minute after its `exp`; the new token never outlives that; then 401 with `error=\"invalid_token\"`",
	},
	{name: "a JWT with deeply nested JSON", gateway: "treats it as an opaque token, because it is not JSON", weight: 1, make: deepSubject},
	{name: "a token of 16 KiB", gateway: "exchanges it", weight: 1, make: func() (string, time.Time) {
		return "Bearer " + harness.SecretMark + strings.Repeat("x", harness.MaxToken-len(harness.SecretMark)), time.Time{}
	}},
	{name: "no token", gateway: "401, no call", weight: 1, answers: []result{subjectMissing}, make: func() (string, time.Time) { return "", time.Time{} }},
	{name: expired, gateway: "401 with `error=\"invalid_token\"`, no call", weight: 1, answers: []result{subjectRefused}, make: func() (string, time.Time) {
		return subjectJWT("expired", 0, time.Now().Add(-time.Duration(10+rand.IntN(100))*time.Second))
	}},
	{name: "a token of 20 kB", gateway: "401, no call", weight: 1, answers: []result{subjectMissing, subjectRefused}, make: func() (string, time.Time) {
		return "Bearer " + harness.SecretMark + strings.Repeat("x", 20_000), time.Time{}
	}},
	{name: "garbage", gateway: "401, no call", weight: 1, answers: []result{subjectMissing, subjectRefused}, make: garbage},
}

func newSubject() *subject {
	kind := choose(subjectKinds, func(k *subjectKind) int { return k.weight })
	value, end := kind.make()
	return &subject{kind, value, end}
}

func opaque() (string, time.Time) {
	return fmt.Sprintf("Bearer %s-subject-%d", harness.SecretMark, rand.IntN(12)), time.Time{}
}

var begun = time.Now()

// subjectJWT is a token that is exchanged until its end.
func subjectJWT(name string, number int, end time.Time) (string, time.Time) {
	claims := fmt.Sprintf(`{"sub":"%s-%d","exp":%d}`, name, number, end.Add(-harness.SubjectLeeway).Unix())
	return fmt.Sprintf("Bearer %s-%s-%s-%d", harness.UnsignedJWT(claims), harness.SecretMark, name, number), end
}

// endsSoon has a few callers whose tokens end every three seconds and are then replaced.
func endsSoon() (string, time.Time) {
	const every = 3
	return subjectJWT("short", rand.IntN(3), time.Unix((time.Now().Unix()/every+1)*every, 0))
}

// deepSubject is no JWT for the plugin, which has to let the authorization server judge it.
func deepSubject() (string, time.Time) {
	claims := strings.Repeat("[", 11_000)
	if rand.IntN(2) == 0 {
		claims = `{"exp":1,"a":` + strings.Repeat(`{"a":`, 1_900) + "1" + strings.Repeat("}", 1_900) + "}"
	}
	return "Bearer " + harness.UnsignedJWT(claims) + "-" + harness.SecretMark, time.Time{}
}

func garbage() (string, time.Time) {
	const mark = harness.SecretMark
	values := []string{
		"Bearer", "Bearer ", `Bearer "` + mark + `"`, "Bearer " + mark + " " + mark,
		"Basic " + mark, mark, "Bearer " + mark + "\xff", "Bearer " + mark + "\t1", ",",
	}
	return values[rand.IntN(len(values))], time.Time{}
}
