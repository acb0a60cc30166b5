package tokenservice

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// asTheHostHandsOut is a request's headers as the SDK gives them: all strings are parts of one buffer.
func asTheHostHandsOut(headers [][2]string) [][2]string {
	var whole strings.Builder
	for _, h := range headers {
		whole.WriteString(h[0] + h[1])
	}
	buffer, at := whole.String(), 0
	var list [][2]string
	for _, h := range headers {
		name := buffer[at : at+len(h[0])]
		at += len(h[0])
		value := buffer[at : at+len(h[1])]
		at += len(h[1])
		list = append(list, [2]string{name, value})
	}
	return list
}

// What a caller keeps must be what its Size says: a header of 4 bytes must not keep the 50 kB that
// the client sent beside it.
func TestForwardedHeaderKeepsTheWholeRequest(t *testing.T) {
	service := mustRead(t, extended(`"cache": {}, "forwardHeaders": ["X-User"]`))
	const callers, beside = 500, 50_000
	kept := make([]*Caller, 0, callers)
	before, counted := heap(), 0
	for i := range callers {
		c := callerOf(t, service, asTheHostHandsOut([][2]string{
			{"x-user", fmt.Sprintf("%04d", i)}, {"cookie", strings.Repeat("c", beside)},
		}))
		kept, counted = append(kept, c), counted+c.Size()
	}
	grown := heap() - before
	if limit := counted + callers*640; grown > limit {
		t.Errorf("%d callers: %d bytes are kept, expected at most the %d that are counted", len(kept), grown, limit)
	}
	runtime.KeepAlive(kept)
}

func heap() int {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}
