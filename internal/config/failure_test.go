package config

import (
	"fmt"
	"strings"
	"testing"
)

const (
	wantReplyHeader = "the name of a header that may be set: letters, digits and -_.!#$%&'*+^`|~, and not one of the connection's own or the body's"
	wantReplyTotal  = "at most 32 headers, of 8192 bytes together"
)

func TestReplyHeadersErrors(t *testing.T) {
	many := func(count, size int) string {
		var members []string
		for i := range count {
			members = append(members, fmt.Sprintf(`"X-%d": "%s"`, i, strings.Repeat("a", size)))
		}
		return strings.Join(members, ", ")
	}
	tests := map[string]struct{ headers, want string }{
		"good":              {`{"X-Reason": "no token", "Cache-Control": "no-store", "Retry-After": "5", "WWW-Authenticate": "a"}`, ``},
		"as many as may be": {`{` + many(32, 10) + `}`, ``},
		"its own key":       {`{"Content-Type": "a"}`, `invalid failure.headers.Content-Type in config (want it in failure.contentType)`},
		"length":            {`{"Content-Length": "5"}`, `invalid failure.headers.Content-Length in config (want ` + wantReplyHeader + `)`},
		"encoding":          {`{"Content-Encoding": "gzip"}`, `invalid failure.headers.Content-Encoding in config (want ` + wantReplyHeader + `)`},
		"no name":           {`{"": "a"}`, `invalid failure.headers. in config (want ` + wantReplyHeader + `)`},
		"line break":        {`{"X-A": "a\r\nX-B: b"}`, `invalid failure.headers.X-A in config (want a header value: no control characters)`},
		"twice":             {`{"X-A": "a", "x-a": "b"}`, `duplicate key failure.headers.x-a in config`},
		"too many":          {`{` + many(33, 1) + `}`, `invalid failure.headers in config: an object (want ` + wantReplyTotal + `)`},
		"too long":          {`{` + many(1, 8190) + `}`, `invalid failure.headers in config: an object (want ` + wantReplyTotal + `)`},
	}
	for name, test := range tests {
		_, err := parse(extended(`"failure": {"headers": ` + test.headers + `}`))
		if got := errorText(err); got != test.want {
			t.Errorf("%s:\ngot      %q\nexpected %q", name, got, test.want)
		}
	}
}
