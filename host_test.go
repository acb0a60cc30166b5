package main

import (
	"fmt"
	"strings"
	"testing"

	"token-fetch/internal/token"
	"token-fetch/internal/tokenservice"
	"token-fetch/internal/tokentest"
)

// fakeHost stands for the gateway: the test moves its clock, answers its calls and
// sees what it was told.
type fakeHost struct {
	*tokentest.Clock
	calls   []*fakeCall
	refuses *token.Error // what the next dispatches come back with
	lines   []string
}

type fakeCall struct {
	call tokenservice.Call
	done responseHandler
}

func newFakeHost() *fakeHost { return &fakeHost{Clock: tokentest.NewClock()} }

func (h *fakeHost) reportMissing(*part, error) {}

func (h *fakeHost) dispatch(_ cluster, call tokenservice.Call, handler responseHandler) *token.Error {
	if h.refuses != nil {
		return h.refuses
	}
	h.calls = append(h.calls, &fakeCall{call, handler})
	return nil
}

func (h *fakeHost) logf(_ logLevel, format string, args ...any) {
	h.lines = append(h.lines, fmt.Sprintf(format, args...))
}

func (h *fakeHost) logContains(text string) bool {
	return strings.Contains(strings.Join(h.lines, "\n"), text)
}

func newTestClient(t testing.TB, config string) (*client, *fakeHost) {
	t.Helper()
	h := newFakeHost()
	p := globalPart(t, config)
	return newClient(p.Service, h, newServiceLog(p, h, &metrics{})), h
}

type result = token.Result

func (c *client) fetch(caller token.Caller, done func(result)) {
	c.Fetch(token.Query{Caller: caller}, func(t token.Token, err *token.Error) { done(result{Token: t, Err: err}) })
}

// fetchOnce is a fetch, its answer and its result.
func fetchOnce(t testing.TB, c *client, h *fakeHost, of token.Caller, a *tokenservice.Response) result {
	t.Helper()
	var results []result
	c.fetch(of, func(r result) { results = append(results, r) })
	if h.refuses == nil {
		h.calls[len(h.calls)-1].done.onResponse(a)
	}
	if len(results) != 1 {
		t.Fatalf("results: got %d, expected 1", len(results))
	}
	return results[0]
}
