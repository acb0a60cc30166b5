package abi

import (
	"encoding/binary"
	"slices"
	"testing"
)

// hostPairs is what a host does.
func hostPairs(pairs [][2]string) string {
	data := binary.LittleEndian.AppendUint32(nil, uint32(len(pairs)))
	for _, pair := range pairs {
		for _, text := range pair {
			data = binary.LittleEndian.AppendUint32(data, uint32(len(text)))
		}
	}
	for _, pair := range pairs {
		for _, text := range pair {
			data = append(append(data, text...), 0)
		}
	}
	return string(data)
}

func TestPairs(t *testing.T) {
	before := [2]string{"before", "kept"}
	for name, pairs := range map[string][][2]string{
		"none":             {},
		"one":              {{":path", "/"}},
		"empty value":      {{"x-empty", ""}, {"x-last", "z"}},
		"repeated":         {{"x-user", "a"}, {"x-user", "b"}},
		"zero byte in one": {{"x-user", "a\x00b"}, {"x-org", "c"}},
	} {
		got := appendPairs([][2]string{before}, hostPairs(pairs))
		if want := append([][2]string{before}, pairs...); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, expected %q", name, got, want)
		}
		if got, want := string(encodePairs([]byte("before"), pairs)), "before"+hostPairs(pairs); got != want {
			t.Errorf("%s: encoded as %q, expected %q", name, got, want)
		}
	}
	if got := appendPairs(nil, ""); got != nil {
		t.Errorf("nothing handed out: got %q", got)
	}
	room := make([][2]string, 0, 8)
	text := hostPairs([][2]string{{":path", "/"}, {"x-user", "a"}})
	if n := testing.AllocsPerRun(100, func() { appendPairs(room, text) }); n != 0 {
		t.Errorf("got %v allocations, expected none with room in the slice", n)
	}
}
