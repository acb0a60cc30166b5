package faults

import (
	"bytes"
	"encoding/base64"
	"slices"
	"sync"

	"token-fetch/e2e/harness"
)

// logWatch looks for secrets in Envoy's log while it is written: at trace level it is too
// long to be kept.
type logWatch struct {
	ledger *ledger

	mu       sync.Mutex // guards all below
	rest     []byte     // of a line that has not ended
	lines    int
	warnings []string // the latest lines that are no trace or debug
}

var secretsInLog = [][]byte{
	[]byte(harness.SecretMark),
	[]byte(base64.StdEncoding.EncodeToString([]byte("client:" + harness.SecretMark + "-of-client"))), // as HTTP Basic has it
}

func (w *logWatch) Write(data []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := slices.Concat(w.rest, data)
	for {
		end := bytes.IndexByte(text, '\n')
		if end < 0 {
			break
		}
		w.look(text[:end])
		text = text[end+1:]
	}
	w.rest = bytes.Clone(text)
	return len(data), nil
}

func (w *logWatch) look(line []byte) {
	w.lines++
	if !bytes.Contains(line, []byte("][trace][")) && !bytes.Contains(line, []byte("][debug][")) {
		w.warnings = append(w.warnings, string(line[:min(len(line), 500)]))
		w.warnings = w.warnings[max(0, len(w.warnings)-40):]
	}
	for _, secret := range secretsInLog {
		if bytes.Contains(line, secret) {
			w.ledger.violate("a secret in the log", "%.500s", line)
		}
	}
}

// latest are the latest lines that are not at the levels trace and debug.
func (w *logWatch) latest() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.warnings)
}

func (w *logWatch) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lines
}
