package main

import "testing"

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
		"cached":           {cached(""), []bool{true, true, true, true, true, true}},
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
