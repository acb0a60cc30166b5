package harness

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TokenIssuer makes tokens and remembers when.
type TokenIssuer struct {
	mu     sync.Mutex // guards issues
	issues []Issue    // the oldest first
}

// Issue is one token that the token service has handed out.
type Issue struct {
	Path  string
	Token string
	At    time.Time // shortly before the answer was sent
}

// IssuedToken is the path's token of that number, counted from 1.
func IssuedToken(path string, number int) string {
	return fmt.Sprintf("%s-%s-%d", SecretMark, strings.TrimPrefix(path, "/"), number)
}

// Answer gives each call the next token of its path, with its lifetime in the body.
func (i *TokenIssuer) Answer(lifetime any) http.HandlerFunc {
	body := JSON(http.StatusOK, map[string]any{"expires_in": lifetime})
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Token", i.issue(r.URL.Path))
		body(w, r)
	}
}

func (i *TokenIssuer) issue(path string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	number := 1
	for _, issue := range i.issues {
		if issue.Path == path {
			number++
		}
	}
	token := IssuedToken(path, number)
	i.issues = append(i.issues, Issue{Path: path, Token: token, At: time.Now()})
	return token
}

// Of returns the issue of a token; ok is false for one that this issuer did not make.
func (i *TokenIssuer) Of(token string) (found Issue, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, issue := range i.issues {
		if issue.Token == token {
			return issue, true
		}
	}
	return Issue{}, false
}

// CheckFresh checks that the upstream received no request of the host with a token that had expired. The lifetime is
// counted from before the token service's answer, which is stricter than what the plugin does.
func (i *TokenIssuer) CheckFresh(t testing.TB, upstream *Upstream, host string, lifetime time.Duration) {
	t.Helper()
	oldest := time.Duration(0)
	for _, request := range upstream.Requests() {
		if request.Host != host {
			continue
		}
		issue, ok := i.Of(request.Header.Get("X-Token"))
		if !ok {
			t.Fatalf("the upstream received the token %q", request.Header.Get("X-Token"))
		}
		oldest = max(oldest, request.Time.Sub(issue.At))
	}
	if oldest == 0 || oldest >= lifetime {
		t.Errorf("the upstream received a token %s after its issue, want less than %s", oldest, lifetime)
	}
}

// ExchangeServer answers a grant with a token that names the caller and the number of its exchange.
func ExchangeServer(expiresIn int) http.HandlerFunc {
	var exchanges atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		JSON(http.StatusOK, map[string]any{
			"access_token":      fmt.Sprint(CallerOf(r), "-", exchanges.Add(1)),
			"issued_token_type": AccessTokenType,
			"token_type":        "Bearer",
			"expires_in":        expiresIn,
		})(w, r)
	}
}

// CallerOf names whose token a grant is about: the subject, and with an actor "subject+actor".
func CallerOf(r *http.Request) string {
	_ = r.ParseForm()
	caller := r.PostForm.Get("subject_token") + r.PostForm.Get("assertion")
	if actor := r.PostForm.Get("actor_token"); actor != "" {
		caller += "+" + actor
	}
	return caller
}

// UnsignedJWT is a token with the claims, as JSON; the plugin reads it without verifying anything.
func UnsignedJWT(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + "." + encode([]byte("signature"))
}
