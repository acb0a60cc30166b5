package fuzzing

import (
	"strings"
	"testing"
	"time"
)

func TestDepth(t *testing.T) {
	nested := func(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }
	tests := map[string]struct {
		text  string
		want  int
		valid bool
	}{
		"a number":                 {`1`, 0, true},
		"an object in a list":      {`[{}]`, 2, true},
		"side by side":             {`[[], [], {"a": []}]`, 3, true},
		"brackets in a string":     {`"[[[{"`, 0, true},
		"brackets after a quote":   {`["\"[["]`, 1, true},
		"deep":                     {nested(9999), 9999, true},
		"beyond encoding/json":     {nested(10001), 0, false},
		"nothing":                  {``, 0, false},
		"half":                     {`[`, 0, false},
		"two values":               {`1 2`, 0, false},
		"a number that is no JSON": {`01`, 0, false},
	}
	for name, test := range tests {
		if got, valid := Depth([]byte(test.text)); got != test.want || valid != test.valid {
			t.Errorf("%s: got %d, %t, expected %d, %t", name, got, valid, test.want, test.valid)
		}
	}
}

// recorder notes failures instead of having them.
type recorder struct {
	testing.TB
	failed bool
}

func (*recorder) Helper()                 {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }

func work(duration time.Duration) {
	for start, now := threadTime(), threadTime(); now-start < duration; {
		now = threadTime()
	}
}

func TestInTime(t *testing.T) {
	quick, slow := &recorder{TB: t}, &recorder{TB: t}
	tries := 0
	InTime(quick, 0, func() {
		if tries++; tries == 1 {
			work(25 * time.Millisecond)
		}
	})
	if quick.failed || tries != 2 {
		t.Errorf("quick at the second try: got failed %t after %d tries, expected no failure after 2", quick.failed, tries)
	}
	if InTime(slow, 0, func() { work(25 * time.Millisecond) }); !slow.failed {
		t.Error("slow: got no failure, expected one")
	}
}
