package fleet

import (
	"testing"

	"token-fetch/internal/token"
)

// An upstream that rejects the tokens of all callers fills no more than maxRejections.
func TestRejectionsAreBounded(t *testing.T) {
	f := &Fetcher{Names: NewNames("test:", token.Key{})}
	for n := range 2 * maxRejections {
		f.Rejected(numbered(n), 1)
	}
	if got := len(f.rejected); got != maxRejections {
		t.Errorf("got %d rejections that wait to be told, expected %d", got, maxRejections)
	}
	if f.takeRejection(numbered(0)) != formatID(1) || f.takeRejection(numbered(2*maxRejections-1)) != "" {
		t.Error("expected that the first rejection is kept and the last one is not")
	}
}
