package e2e_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// dated is an answer whose lifetime a date names; ttl is there for when it does not.
type dated struct {
	ttl    int
	answer tokenAnswer
	want   kept
}

// datedAnswers have dates in all three forms of RFC 9110 section 5.6.7.
func datedAnswers(now time.Time) map[string]dated {
	expires := func(date string) tokenAnswer { return tokenAnswer{headers: []string{"Expires: " + date}} }
	nextYear := func(day int) string {
		return time.Date(now.Year()+1, time.March, day, 1, 2, 3, 0, time.UTC).Format(time.ANSIC)
	}
	cases := map[string]dated{
		"RFC 850, the RFC's own example": {3600, expires("Sunday, 06-Nov-94 08:49:37 GMT"), notKept},
		"asctime, the RFC's own example": {3600, expires("Sun Nov  6 08:49:37 1994"), notKept},
		"asctime, day of one digit":      {2, expires(nextYear(5)), keptLong},
		"asctime, day of two digits":     {2, expires(nextYear(15)), keptLong},
		// A year of two digits that seems to be more than 50 years ahead is in the past.
		"RFC 850, 45 years ahead": {2, expires(now.AddDate(45, 0, 0).Format(rfc850)), keptLong},
		"RFC 850, 60 years ahead": {3600, expires(now.AddDate(60, 0, 0).Format(rfc850)), notKept},
		"no date":                 {3600, expires("tomorrow"), notKept},
	}
	for name, layout := range map[string]string{"IMF-fixdate": http.TimeFormat, "RFC 850": rfc850, "asctime": time.ANSIC} {
		in := func(slow, in time.Duration) tokenAnswer {
			return tokenAnswer{layout: layout, dates: func(now time.Time) (date, expires time.Time) { return now.Add(-slow), now.Add(in - slow) }}
		}
		cases[name+", short"] = dated{3600, in(0, 2*time.Second), keptShort}
		cases[name+", long"] = dated{2, in(0, time.Hour), keptLong}
		cases[name+", in the past"] = dated{3600, in(0, -time.Hour), notKept}
		cases[name+", by a slow clock"] = dated{3600, in(time.Hour, 2*time.Second), keptShort}
		cases[name+", by a fast clock"] = dated{3600, in(-time.Hour, 2*time.Second), keptShort}
	}
	return cases
}

func TestDatedLifetimes(t *testing.T) {
	t.Parallel()
	cases := datedAnswers(time.Now().UTC())
	hosts, configs, answers := map[string]string{}, map[string]map[string]any{}, map[string]http.HandlerFunc{}
	for i, name := range slices.Sorted(maps.Keys(cases)) {
		host := oddHost(i)
		hosts[name], answers[host] = host, cases[name].answer.write
		maps.Copy(configs, harness.CachedConfigs([]string{host}, map[string]any{"ttl": cases[name].ttl, "refreshBefore": 0}))
	}
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(configs)})
	gateway.Token.Handle(harness.ByPath(answers, harness.Status(http.StatusTeapot)))
	got := observeLifetimes(t, gateway, slices.Collect(maps.Values(hosts)))
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			if got := got[hosts[name]]; got != test.want {
				t.Errorf("the token is kept %s, want %s", got, test.want)
			}
		})
	}
}
