package harness

import (
	"bytes"
	"sync"
	"testing"
)

// SecretMark is a part of tokens, credentials and callers in tests. Neither Envoy's log nor the names of its statistics may
// contain it.
const SecretMark = "s3cr3t"

// marks are what the log is searched for: the mark, and how HTTP Basic encodes it for a client whose id has two letters.
var marks = [][]byte{[]byte(SecretMark), []byte("czNjcjN0")}

// secretWatch reads Envoy's log while it is written: at trace level it may be too long to be kept.
type secretWatch struct {
	mu    sync.Mutex // guards all below
	rest  []byte     // of a line that has not ended
	lines int
	found string // the first line with a secret
}

func (w *secretWatch) Write(data []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, data...)
	for {
		end := bytes.IndexByte(w.rest, '\n')
		if end < 0 {
			return len(data), nil
		}
		w.lines++
		for _, mark := range marks {
			if w.found == "" && bytes.Contains(w.rest[:end], mark) {
				w.found = string(w.rest[:end])
			}
		}
		w.rest = w.rest[end+1:]
	}
}

// CheckNoSecrets fails the test when the mark is in the log or, while Envoy runs, in the name of a statistic. It returns how
// many lines the log has had. Every gateway is checked when it stops.
func (g *Gateway) CheckNoSecrets(t testing.TB) (lines int) {
	t.Helper()
	g.secrets.mu.Lock()
	defer g.secrets.mu.Unlock()
	if g.secrets.found != "" {
		t.Errorf("the log has a secret: %s", g.secrets.found)
	}
	if stats, err := g.process.Get("/stats?filter=" + SecretMark); err == nil && stats != "" {
		t.Errorf("statistics have a secret in their names: %s", stats)
	}
	return g.secrets.lines
}
