package main

import (
	"errors"
	"testing"

	"token-fetch/internal/tokencache"
	"token-fetch/internal/tokenservice"
)

// The contract's table, and what the plugin adds to it.
func TestFailurePolicy(t *testing.T) {
	outcomes := []outcome{noToken, callFailed, noCluster, tooMany, subjectRefused, internalError}
	tests := map[string]struct {
		config string
		denies []bool
	}{
		"as the sample":    {sampleJSON, []bool{false, true, false, true, true, true}},
		"deny":             {extended(`"failure": {"mode": "deny"}`), []bool{true, true, true, true, true, true}},
		"allow":            {extended(`"failure": {"mode": "allow"}`), []bool{false, false, false, false, true, true}},
		"cached":           {withCache(""), []bool{true, true, true, true, true, true}},
		"cached, allow":    {extended(`"cache": {}, "failure": {"mode": "allow"}`), []bool{false, false, false, false, true, true}},
		"failure, no mode": {extended(`"failure": {"status": 503}`), []bool{true, true, true, true, true, true}},
	}
	for name, test := range tests {
		policy := mustParse(t, test.config).global.failure
		for i, o := range outcomes {
			if got := policy.denies(o); got != test.denies[i] {
				t.Errorf("%s, %s: got %v, expected %v", name, o, got, test.denies[i])
			}
		}
	}
}

func TestOutcomeOf(t *testing.T) {
	for err, want := range map[error]outcome{
		&tokenservice.Failure{Kind: tokenservice.Unavailable}:    callFailed,
		&tokenservice.Failure{Kind: tokenservice.Refused}:        callFailed,
		&tokenservice.Failure{Kind: tokenservice.NoToken}:        noToken,
		&tokenservice.Failure{Kind: tokenservice.SubjectRefused}: subjectRefused,
		tokencache.ErrTooManyWaiting:                             tooMany,
		tokencache.ErrTooManyCallers:                             tooMany,
		tokencache.ErrPanic:                                      internalError,
		tokencache.ErrNoResult:                                   callFailed,
		dispatchError(errors.New("no"), true, "a"):               noCluster,
		dispatchError(errors.New("no"), false, "a"):              callFailed,
	} {
		if got := outcomeOf(err); got != want {
			t.Errorf("%v: got %s, expected %s", err, got, want)
		}
	}
}
