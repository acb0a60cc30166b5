// Package tokentest has the fakes that stand at the borders of caches and sources in tests: a clock that the test moves, a
// Source whose fetches it ends, callers, and requests that record what they are told. Only tests import it.
package tokentest

import (
	"fmt"
	"testing"
	"time"

	"token-fetch/internal/token"
)

// Clock stands still until the test lets time pass.
type Clock struct {
	Now  time.Duration
	Date time.Time // by the wall clock
}

// NewClock returns one that has been running for an hour.
func NewClock() *Clock {
	return &Clock{Now: time.Hour, Date: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
}

// Monotonic is part of token.Clock, as Wall is.
func (c *Clock) Monotonic() time.Duration { return c.Now }

// Wall is the time of day.
func (c *Clock) Wall() time.Time { return c.Date }

// Pass moves both clocks on.
func (c *Clock) Pass(d time.Duration) {
	c.Now += d
	c.Date = c.Date.Add(d)
}

// Caller is a caller of that name, of whom so many bytes are kept.
type Caller struct {
	Name  string
	Bytes int
}

// Named is a caller of that name.
func Named(name string) *Caller { return &Caller{Name: name} }

// CallerOf is a caller of that number.
func CallerOf(i, bytes int) *Caller { return &Caller{fmt.Sprint(i), bytes} }

// Values is part of token.Caller, as Key and Size are.
func (c *Caller) Values() string { return c.Name }

// Key is as much of the name as a key has room for.
func (c *Caller) Key() (k token.Key) { copy(k[:], c.Name); return k }

// Size is what the test says it is.
func (c *Caller) Size() int { return c.Bytes }

// Result is what a fetch brings: a token or, if Err is not nil, none.
type Result struct {
	Token token.Token
	Err   *token.Error
}

// Good is a token that lives so long from when its fetch began.
func Good(text string, lifetime time.Duration) Result {
	return Result{Token: token.Token{Values: []string{text}, Lifetime: lifetime}}
}

// What goes wrong with a fetch: the service can't answer, refuses, or the plugin itself fails.
var (
	ErrUnavailable = &token.Error{Reason: token.ServerError, Detail: "answered 503"}
	ErrRefused     = &token.Error{Reason: token.OtherStatus, Detail: "answered 400"}
	ErrInternal    = &token.Error{Reason: token.Internal, Detail: "panicked"}
)

// Unavailable is a fetch from a service that can't answer.
func Unavailable() Result { return Result{Err: ErrUnavailable} }

// UnavailableFor is Unavailable with a Retry-After.
func UnavailableFor(d time.Duration) Result {
	return Result{Err: &token.Error{Reason: token.ServerError, RetryAfter: d, Detail: "answered 503"}}
}

// Refusal is a fetch that the service refuses.
func Refusal() Result { return Result{Err: ErrRefused} }

// FailedAs reports whether a request was told this error, whatever its detail and wait; nil is none.
func FailedAs(got, want *token.Error) bool {
	return (got == nil) == (want == nil) && (got == nil || got.Reason == want.Reason)
}

// Fetch is one that a Source was asked for.
type Fetch struct {
	token.Query
	SentAt time.Duration
	Done   func(Result) // of a call that was made when the fetch began
	End    func(Result) // of a token that is as old as it says
}

// Source records what it is asked for.
type Source struct {
	Clock   *Clock
	Fetches []*Fetch
	OnFetch func(done func(Result)) // what fetches do at once, if not nil
}

// Fetch is part of token.Source.
func (s *Source) Fetch(q token.Query, tell func(token.Token, *token.Error)) {
	f := &Fetch{Query: q, SentAt: s.Clock.Now, End: func(r Result) { tell(r.Token, r.Err) }}
	f.Done = func(r Result) {
		r.Token.Age = s.Clock.Now - f.SentAt
		f.End(r)
	}
	s.Fetches = append(s.Fetches, f)
	if s.OnFetch != nil {
		s.OnFetch(f.Done)
	}
}

// Latest is the fetch that began last.
func (s *Source) Latest(t testing.TB) *Fetch {
	t.Helper()
	if len(s.Fetches) == 0 {
		t.Fatal("no fetch to end")
	}
	return s.Fetches[len(s.Fetches)-1]
}

// Request waits. It records what it was told, and how often.
type Request struct {
	Told  int
	Token *token.Token
	Err   *token.Error
}

// Proceed and Fail tell it.
func (r *Request) Proceed(t *token.Token) { r.Told++; r.Token = t }

// Fail tells it that there is no token.
func (r *Request) Fail(err *token.Error) { r.Told++; r.Err = err }

// AtOnce has a Source's fetches end at once.
func AtOnce(r Result) func(func(Result)) { return func(done func(Result)) { done(r) } }

// CheckBackoff checks that there were as many fetches, with waits that double from a second on, up to 30 s, and are up to a
// fifth longer, and a few ticks.
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
