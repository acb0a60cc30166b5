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
	mu     sync.Mutex           // guards the rest
	counts map[string]int       // by the path
	issues map[string]time.Time // by the token, shortly before the answer was sent
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
	if i.issues == nil {
		i.counts, i.issues = map[string]int{}, map[string]time.Time{}
	}
	i.counts[path]++
	token := IssuedToken(path, i.counts[path])
	i.issues[token] = time.Now()
	return token
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
		i.mu.Lock()
		issued, ok := i.issues[request.Header.Get("X-Token")]
		i.mu.Unlock()
		if !ok {
			t.Fatalf("the upstream received the token %q", request.Header.Get("X-Token"))
		}
		oldest = max(oldest, request.Time.Sub(issued))
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
