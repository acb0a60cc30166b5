package operations_test

import (
	"net/http"
	"regexp"
	"testing"

	"token-fetch/e2e/harness"
)

// TestAccessLogTellsWhy has Envoy write an access log in the format that docs/operations.md gives, and expects the lines that
// stand there.
func TestAccessLogTellsWhy(t *testing.T) {
	t.Parallel()
	page := harness.ReadProjectFile(t, "docs", "operations.md")
	shown := regexp.MustCompile("(?s)With `(%REQ[^`]*)`.*?```text\n(/good [^\n]*\n)(/denied [^\n]*\n)```").FindSubmatch(page)
	if shown == nil {
		t.Fatal("docs/operations.md shows no format and two lines of an access log")
	}
	gateway := harness.Start(t, harness.Options{Config: harness.PlainConfig(nil), AccessLog: string(shown[1]) + "\n"})
	for path, want := range map[string]struct {
		answer http.HandlerFunc
		line   []byte
	}{
		"/good":   {harness.HeaderToken("X-Token", "token-1"), shown[2]},
		"/denied": {harness.Status(http.StatusForbidden), shown[3]},
	} {
		gateway.Token.Handle(want.answer)
		gateway.Get(t, path)
		gateway.WaitLog(t, string(want.line))
	}
}
