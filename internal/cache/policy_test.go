package cache

import (
	"testing"
	"time"

	"token-fetch/internal/schema"
)

func readPolicy(json string) (Policy, error) {
	s := schema.Parse([]byte(json), &schema.Key{Kind: schema.Object, Keys: Keys}, func(string) (string, bool) { return "", false })
	return ReadPolicy(s), s.Err()
}

func TestReadPolicy(t *testing.T) {
	standard := Policy{RefreshBefore: -1, Backoff: time.Second, MaxEntries: 1024, MaxWaiting: 10000}
	with := func(change func(*Policy)) Policy {
		p := standard
		change(&p)
		return p
	}
	tests := map[string]struct {
		json string
		want Policy
	}{
		"defaults":                {`{}`, standard},
		"null":                    {`{"refreshBefore": null, "backoff": null}`, standard},
		"refreshBefore":           {`{"refreshBefore": 5}`, with(func(p *Policy) { p.RefreshBefore = 5 * time.Second })},
		"never renewed ahead":     {`{"refreshBefore": 0}`, with(func(p *Policy) { p.RefreshBefore = 0 })},
		"staleIfError in seconds": {`{"staleIfError": 60}`, with(func(p *Policy) { p.StaleIfError = time.Minute })},
		"backoff in milliseconds": {`{"backoff": 7}`, with(func(p *Policy) { p.Backoff = 7 * time.Millisecond })},
		"limits":                  {`{"maxEntries": 1, "maxWaiting": 2147483647}`, with(func(p *Policy) { p.MaxEntries, p.MaxWaiting = 1, 1<<31-1 })},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := readPolicy(test.json)
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("got      %+v\nexpected %+v", got, test.want)
			}
		})
	}
}

func TestPolicyErrors(t *testing.T) {
	for json, want := range map[string]string{
		`{"refreshBefore": -1}`:        `invalid refreshBefore in config: -1 (want 0 to 315360000)`,
		`{"refreshBefore": 315360001}`: `invalid refreshBefore in config: 315360001 (want 0 to 315360000)`,
		`{"staleIfError": -1}`:         `invalid staleIfError in config: -1 (want 0 to 315360000)`,
		`{"staleIfError": 315360001}`:  `invalid staleIfError in config: 315360001 (want 0 to 315360000)`,
		`{"backoff": 0}`:               `invalid backoff in config: 0 (want 1 to 30000)`,
		`{"backoff": 30001}`:           `invalid backoff in config: 30001 (want 1 to 30000)`,
		`{"maxEntries": 0}`:            `invalid maxEntries in config: 0 (want 1 to 100000)`,
		`{"maxEntries": 100001}`:       `invalid maxEntries in config: 100001 (want 1 to 100000)`,
		`{"maxWaiting": 0}`:            `invalid maxWaiting in config: 0 (want 1 to 2147483647)`,
		`{"maxWaiting": 2147483648}`:   `invalid maxWaiting in config: 2147483648 (want 1 to 2147483647)`,
	} {
		if _, err := readPolicy(json); err == nil || err.Error() != want {
			t.Errorf("%s:\ngot      %v\nexpected %s", json, err, want)
		}
	}
}
