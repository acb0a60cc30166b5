package e2e_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// ending is an answer that names the token's end; ttl is there for when it does not.
type ending struct {
	cache map[string]any
	in    time.Duration // from the answer to the end
	end   func(time.Time) string
	more  tokenAnswer
	want  kept
}

var endings = func() map[string]ending {
	long := map[string]any{"ttl": 3600, "refreshBefore": 0, "expiresAtPath": "data.end"}
	short := map[string]any{"ttl": 2, "refreshBefore": 0, "expiresAtPath": "data.end"}
	ignoring := map[string]any{"ttl": 3600, "refreshBefore": 0, "ignoreCacheControl": true}
	seconds := func(at time.Time) string { return fmt.Sprint(at.Unix()) }
	milliseconds := func(at time.Time) string { return fmt.Sprint(at.UnixMilli()) }
	rfc3339 := func(at time.Time) string { return `"` + at.Format(time.RFC3339Nano) + `"` }
	quoted := func(of func(time.Time) string) func(time.Time) string {
		return func(at time.Time) string { return `"` + of(at) + `"` }
	}
	just := func(text string) func(time.Time) string { return func(time.Time) string { return text } }
	noStore := tokenAnswer{headers: []string{"Cache-Control: no-store"}}

	cases := map[string]ending{
		"never, in seconds":         {short, 0, just("253402300799"), tokenAnswer{}, keptLong},
		"absurd":                    {short, 0, just("1e300"), tokenAnswer{}, keptLong},
		"beyond all numbers":        {short, 0, just("1e999"), tokenAnswer{}, keptLong},
		"zero":                      {long, 0, just("0"), tokenAnswer{}, notKept},
		"negative":                  {long, 0, just("-1e300"), tokenAnswer{}, notKept},
		"null":                      {short, 0, just("null"), tokenAnswer{}, keptShort},
		"a word":                    {short, 0, just(`"never"`), tokenAnswer{}, keptShort},
		"an object":                 {short, 0, just(`{}`), tokenAnswer{}, keptShort},
		"before expires_in":         {long, 2500 * time.Millisecond, seconds, tokenAnswer{body: `"expires_in":3600,`}, keptShort},
		"not read, then expires_in": {long, 0, just(`"soon"`), tokenAnswer{body: `"expires_in":2,`}, keptShort},
		"before no-store":           {long, time.Hour, seconds, noStore, keptLong},
		"no longer than a JWT":      {long, time.Hour, seconds, tokenAnswer{jwtIn: 2 * time.Second}, keptShort},
		"capped":                    {harness.Merge(long, map[string]any{"maxTtl": 2}), time.Hour, seconds, tokenAnswer{}, keptShort},

		"ignoring no-store":           {ignoring, 0, just("0"), noStore, keptLong},
		"ignoring max-age":            {ignoring, 0, just("0"), tokenAnswer{headers: []string{"Cache-Control: max-age=0"}}, keptLong},
		"ignoring Expires":            {ignoring, 0, just("0"), tokenAnswer{headers: []string{"Expires: 0"}}, keptLong},
		"ignoring them, with its ttl": {harness.Merge(ignoring, map[string]any{"ttl": 2}), 0, just("0"), tokenAnswer{headers: []string{"Cache-Control: max-age=3600"}}, keptShort},
	}
	for name, end := range map[string]func(time.Time) string{
		"RFC 3339": rfc3339, "seconds": seconds, "seconds as text": quoted(seconds), "milliseconds": milliseconds, "milliseconds as text": quoted(milliseconds),
	} {
		cases[name+", short"] = ending{long, 2500 * time.Millisecond, end, tokenAnswer{}, keptShort}
		cases[name+", long"] = ending{short, time.Hour, end, tokenAnswer{}, keptLong}
		cases[name+", in the past"] = ending{long, -time.Minute, end, tokenAnswer{}, notKept}
	}
	return cases
}()

func (e ending) write(w http.ResponseWriter, r *http.Request) {
	a := e.more
	a.body = fmt.Sprintf(`{%s"data":{"end":%s}}`, a.body, e.end(time.Now().Add(e.in).UTC()))
	a.write(w, r)
}

// TestEndings has tokens whose end the answer names, in all ways in which services do, and answers whose
// Cache-Control is ignored.
func TestEndings(t *testing.T) {
	t.Parallel()
	configs, answers, hosts := map[string]map[string]any{}, map[string]http.HandlerFunc{}, map[string]string{}
	for i, name := range slices.Sorted(maps.Keys(endings)) {
		host := oddHost(i)
		hosts[name], answers[host] = host, endings[name].write
		maps.Copy(configs, harness.CachedConfigs([]string{host}, endings[name].cache))
	}
	gateway := harness.StartTraced(t, harness.Options{Config: harness.ByHost(configs)})
	gateway.Token.Handle(harness.ByPath(answers, harness.Status(http.StatusTeapot)))
	got := observeLifetimes(t, gateway, slices.Collect(maps.Values(hosts)))
	for name, test := range endings {
		t.Run(name, func(t *testing.T) {
			if got := got[hosts[name]]; got != test.want {
				t.Errorf("the token is kept %s, want %s", got, test.want)
			}
		})
	}
}
