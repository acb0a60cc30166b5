// Package tokentest has fakes for testing caches and sources: a clock that the test advances, a Source whose fetches
// the test ends, callers, and requests that record their result. Only tests import it.
package tokentest

import (
	"fmt"
	"testing"
	"time"

	"token-fetch/internal/token"
)

// Clock stands still until the test advances it.
type Clock struct {
	Now  time.Duration
	Date time.Time // wall clock
}

// NewClock returns a clock that has been running for an hour.
func NewClock() *Clock {
	return &Clock{Now: time.Hour, Date: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
}

// Monotonic implements token.Clock, like Wall.
func (c *Clock) Monotonic() time.Duration { return c.Now }

// Wall is the time of day.
func (c *Clock) Wall() time.Time { return c.Date }

// Pass advances both clocks.
func (c *Clock) Pass(d time.Duration) {
	c.Now += d
	c.Date = c.Date.Add(d)
}

// Caller is a caller with the given name and size in memory.
type Caller struct {
	Name  string
	Bytes int
}

// Named returns a caller with the given name.
func Named(name string) *Caller { return &Caller{Name: name} }

// CallerOf returns caller number i.
func CallerOf(i, bytes int) *Caller { return &Caller{fmt.Sprint(i), bytes} }

// Values implements token.Caller, like Key and Size.
func (c *Caller) Values() string { return c.Name }

// Key is the name, truncated.
func (c *Caller) Key() (k token.Key) { copy(k[:], c.Name); return k }

// Size is as set by the test.
func (c *Caller) Size() int { return c.Bytes }

// Good is a token with the given lifetime, counted from the start of its fetch.
func Good(text string, lifetime time.Duration) token.Result {
	return token.Result{Token: token.Token{Values: []string{text}, Lifetime: lifetime}}
}

// Errors of fetches: the service is unavailable, it refuses, or the plugin itself fails.
var (
	ErrUnavailable = &token.Error{Reason: token.ServerError, Detail: "answered 503"}
	ErrRefused     = &token.Error{Reason: token.OtherStatus, Detail: "answered 400"}
	ErrInternal    = &token.Error{Reason: token.Internal, Detail: "panicked"}
)

// Unavailable is the result of a fetch from an unavailable service.
func Unavailable() token.Result { return token.Result{Err: ErrUnavailable} }

// UnavailableFor is Unavailable with a Retry-After.
func UnavailableFor(d time.Duration) token.Result {
	return token.Result{Err: &token.Error{Reason: token.ServerError, RetryAfter: d, Detail: "answered 503"}}
}

// Refusal is the result of a fetch that the service refuses.
func Refusal() token.Result { return token.Result{Err: ErrRefused} }

// FailedAs reports whether two errors, possibly nil, have the same reason.
func FailedAs(got, want *token.Error) bool {
	return (got == nil) == (want == nil) && (got == nil || got.Reason == want.Reason)
}

// Fetch is a fetch that a Source was asked for.
type Fetch struct {
	token.Query
	SentAt time.Duration
	Done   func(token.Result) // sets the token's age to the time since the fetch began
	End    func(token.Result) // leaves the token's age as it is
}

// Source records its fetches.
type Source struct {
	Clock   *Clock
	Fetches []*Fetch
	OnFetch func(done func(token.Result)) // ends fetches synchronously, if not nil
}

// Fetch implements token.Source.
func (s *Source) Fetch(q token.Query, done func(token.Token, *token.Error)) {
	f := &Fetch{Query: q, SentAt: s.Clock.Now, End: func(r token.Result) { done(r.Token, r.Err) }}
	f.Done = func(r token.Result) {
		r.Token.Age = s.Clock.Now - f.SentAt
		f.End(r)
	}
	s.Fetches = append(s.Fetches, f)
	if s.OnFetch != nil {
		s.OnFetch(f.Done)
	}
}

// Latest returns the latest fetch.
func (s *Source) Latest(t testing.TB) *Fetch {
	t.Helper()
	if len(s.Fetches) == 0 {
		t.Fatal("no fetch to end")
	}
	return s.Fetches[len(s.Fetches)-1]
}

// Request is a Waiter that records its result, and how often it was notified.
type Request struct {
	Told  int
	Token *token.Token
	Err   *token.Error
}

// Proceed implements cache.Waiter, like Fail.
func (r *Request) Proceed(t *token.Token) { r.Told++; r.Token = t }

// Fail records an error.
func (r *Request) Fail(err *token.Error) { r.Told++; r.Err = err }

// AtOnce is an OnFetch that ends fetches synchronously.
func AtOnce(r token.Result) func(func(token.Result)) {
	return func(done func(token.Result)) { done(r) }
}

// CheckBackoff checks the number of fetches, and that the waits between them double from one second up to 30 s, plus up
// to a fifth and a few ticks.
func CheckBackoff(t testing.TB, fetches []*Fetch, want int) {
	t.Helper()
	if len(fetches) != want {
		t.Fatalf("got %d fetches, expected %d", len(fetches), want)
	}
	const ticks = 300 * time.Millisecond
	for i := 1; i < len(fetches); i++ {
		least := min(time.Second<<(i-1), 30*time.Second)
		if wait := fetches[i].SentAt - fetches[i-1].SentAt; wait < least || wait > least+least/5+ticks {
			t.Errorf("wait %d: got %s, expected %s or up to a fifth more", i, wait, least)
		}
	}
}
