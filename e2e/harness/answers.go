package harness

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// HeaderToken answers 200 with the token in a response header.
func HeaderToken(name, value string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(name, value) }
}

// JSON answers with a JSON body: a string is sent as it is, another value is marshalled.
func JSON(status int, body any) http.HandlerFunc {
	data, isString := body.(string)
	if !isString {
		marshalled, err := json.Marshal(body)
		if err != nil {
			panic(err) // the test's own value
		}
		data = string(marshalled)
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(data))
	}
}

// Busy answers with a status and the Retry-After of the moment.
func Busy(status int, retryAfter func() string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", retryAfter())
		w.WriteHeader(status)
	}
}

// Refusal is an error of an authorization server (RFC 6749 section 5.2), whose every part but the code has the Leak.
func Refusal(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="`+Leak+`"`)
		w.Header().Set("X-Leak", Leak)
		w.Header().Set("Location", "/"+Leak)
		JSON(status, map[string]any{"error": code, "error_description": Leak, "error_uri": "https://" + Leak})(w, r)
	}
}

// Status answers with a status and no body.
func Status(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// Delay answers later, or not at all when the client has given up by then.
func Delay(duration time.Duration, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(duration):
			answer(w, r)
		case <-r.Context().Done():
		}
	}
}

// Hold answers when release is closed, or not at all when the client has given up by then.
func Hold(release <-chan struct{}, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
			answer(w, r)
		case <-r.Context().Done():
		}
	}
}

// Hang never answers and returns when the client has given up.
func Hang() http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
}

// HangInBody sends the token at once and the end of the answer never.
func HangInBody(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Token", "token-1")
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// Reset resets the connection instead of answering.
func Reset() http.HandlerFunc {
	return hijack(func(connection net.Conn) {
		// Without lingering, Close sends a RST.
		_ = connection.(*net.TCPConn).SetLinger(0)
	})
}

// Close closes the connection in order, but without an answer.
func Close() http.HandlerFunc { return hijack(func(net.Conn) {}) }

// Raw writes bytes to the connection as they are, then closes it: for answers
// that net/http would not send.
func Raw(answer string) http.HandlerFunc {
	return hijack(func(connection net.Conn) { _, _ = connection.Write([]byte(answer)) })
}

func hijack(use func(net.Conn)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return // the client was faster and has gone
		}
		use(connection)
		connection.Close()
	}
}

// Sequence gives each call the next answer, and repeats the last one forever.
func Sequence(answers ...http.HandlerFunc) http.HandlerFunc {
	var mu sync.Mutex // guards answers
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		answer := answers[0]
		if len(answers) > 1 {
			answers = answers[1:]
		}
		mu.Unlock()
		answer(w, r)
	}
}

// Both has two write one answer.
func Both(first, second http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		first(w, r)
		second(w, r)
	}
}

// ByPath has an answer for each path /name, such as those of CachedConfigs, and one for all others.
func ByPath(answers map[string]http.HandlerFunc, others http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if answer, ok := answers[strings.TrimPrefix(r.URL.Path, "/")]; ok {
			answer(w, r)
			return
		}
		others(w, r)
	}
}
