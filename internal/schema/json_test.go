package schema

import (
	"strings"
	"testing"
)

func nested(open, inside, end string, depth int) string {
	return strings.Repeat(open, depth) + inside + strings.Repeat(end, depth)
}

func TestJSONDepth(t *testing.T) {
	tests := map[string]struct {
		text string
		want bool
	}{
		"empty":                            {"", false},
		"a number":                         {"1", true},
		"lists at the limit":               {nested("[", "", "]", 64), true},
		"lists beyond the limit":           {nested("[", "", "]", 65), false},
		"objects at the limit":             {nested(`{"a":`, "1", "}", 64), true},
		"objects beyond the limit":         {nested(`{"a":`, "1", "}", 65), false},
		"both beyond the limit":            {nested(`[{"a":`, "1", "}]", 33), false},
		"never closed":                     {strings.Repeat("[", 1_000_000), false},
		"many beside each other":           {"[" + strings.Repeat("[],", 10_000) + "[]]", true},
		"brackets in a string":             {`["` + strings.Repeat("[{", 1000) + `"]`, true},
		"brackets in a name":               {`{"` + strings.Repeat("[{", 1000) + `": 1}`, true},
		"an escaped quote in a string":     {`["\"` + strings.Repeat("[", 1000) + `"]`, true},
		"an escaped backslash ends before": {`["\\", ` + nested("[", "", "]", 64) + `]`, false},
		"a string that does not end":       {`["` + strings.Repeat("[", 1000), false},
		"a backslash at the end":           {`["\`, false},
		"closed too often":                 {"]" + nested("[", "", "]", 64), false},
	}
	for name, test := range tests {
		if got := ValidJSON([]byte(test.text)); got != test.want {
			t.Errorf("%s: got %v, expected %v", name, got, test.want)
		}
	}
}
