package faults

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// tokenService is the token service of one rule. It chooses at random how it answers each call.
type tokenService struct {
	*harness.Server
	rule    *rule
	ledger  *ledger
	healthy atomic.Bool // only good answers from now on
}

func startTokenService(t testing.TB, r *rule, l *ledger) *tokenService {
	t.Helper()
	s := &tokenService{rule: r, ledger: l}
	s.Server = harness.Serve(t, s.serve)
	return s
}

// goAway refuses connections for a while and cuts those that are open.
func (s *tokenService) goAway(t testing.TB, duration time.Duration) {
	from := time.Now()
	s.Stop()
	time.Sleep(duration)
	s.Resume(t)
	s.ledger.cut(s.rule, span{from, time.Now()})
	s.ledger.change(func() { s.ledger.away++ })
}

func (s *tokenService) serve(w http.ResponseWriter, r *http.Request) {
	// Read to its end: only then does the server notice that the gateway has gone.
	body, _ := io.ReadAll(r.Body)
	c := &conversation{ResponseWriter: w, request: r, ledger: s.ledger, call: &call{rule: s.rule, fault: allFaults[0]}}
	if !s.healthy.Load() {
		c.call.fault = chooseFault(s.rule)
	}
	switch {
	case s.rule.exchange:
		form, _ := url.ParseQuery(string(body))
		c.call.key = form.Get("subject_token")
	case s.rule.keyedBy != "":
		c.call.key = strings.Join(r.Header.Values(s.rule.keyedBy), ", ")
	}
	s.ledger.received(c.call)
	c.call.fault.serve(c)
	s.ledger.change(func() { c.call.endedAt = time.Now() })
}

// conversation is one call and what the token service makes of it.
type conversation struct {
	http.ResponseWriter
	request *http.Request
	ledger  *ledger
	call    *call
}

// send sends a body whose length is announced.
func (c *conversation) send(body string) {
	c.Header().Set("Content-Length", fmt.Sprint(len(body)))
	_, _ = io.WriteString(c, body) // the gateway may have given up
	c.flush()
}

func (c *conversation) flush() { _ = http.NewResponseController(c.ResponseWriter).Flush() }

// sendJSON sends it as a token endpoint does.
func (c *conversation) sendJSON(format string, args ...any) {
	c.setJSON()
	c.send(fmt.Sprintf(format, args...))
}

func (c *conversation) setJSON() {
	c.Header().Set("Content-Type", "application/json")
	c.Header().Set("Cache-Control", "no-store")
}

// connection is for what net/http would not send: nil when the gateway has gone.
func (c *conversation) connection() net.Conn {
	connection, _, err := http.NewResponseController(c.ResponseWriter).Hijack()
	if err != nil {
		return nil
	}
	_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
	return connection
}

// raw writes to the connection as it is, and closes it.
func (c *conversation) raw(text string, then func(net.Conn)) {
	connection := c.connection()
	if connection == nil {
		return
	}
	defer connection.Close()
	_, _ = io.WriteString(connection, text)
	then(connection)
}

// awaitEnd returns when the gateway has closed the connection.
func awaitEnd(connection net.Conn) { _, _ = connection.Read(make([]byte, 1)) }

// reset closes a connection with a RST.
func reset(connection net.Conn) {
	time.Sleep(2 * time.Millisecond) // for the gateway to have read what came before
	_ = connection.(*net.TCPConn).SetLinger(0)
}

var tokens atomic.Int64 // how many there are

// unissued is a token that must never reach an upstream.
func (c *conversation) unissued() string {
	return fmt.Sprintf("%s-%s-%d", harness.SecretMark, c.call.rule.name, tokens.Add(1))
}

// issued is a token that no other call gets, in a form; %s is what tells it apart.
func (c *conversation) issued(form string, lifetime time.Duration, notAfter time.Time) string {
	token := fmt.Sprintf(form, c.unissued())
	c.ledger.issued(token, &issue{call: c.call, lifetime: lifetime, notAfter: notAfter})
	return token
}

func (c *conversation) newToken(lifetime time.Duration) string {
	return c.issued("%s", lifetime, time.Time{})
}

// newLifetime is short, so that a minute has many renewals.
func newLifetime() time.Duration {
	return []time.Duration{time.Second, time.Second, 2 * time.Second, 3 * time.Second}[rand.IntN(4)]
}

// answer sets the headers of a good answer, the token where the rule looks for it, and returns its body.
func (c *conversation) answer(token string, lifetime time.Duration) (body string) {
	seconds := int(lifetime / time.Second)
	switch {
	case c.call.rule.json:
		c.setJSON()
		return fmt.Sprintf(`{"access_token":%q,"token_type":"Bearer","expires_in":%d}`, token, seconds)
	case rand.IntN(2) == 0:
		c.setHeaders(token, lifetime)
		return ""
	default:
		c.Header().Set("X-Token", token)
		return fmt.Sprintf(`{"expires_in":"%d"}`, seconds)
	}
}

// setHeaders has nothing of a good answer in the body.
func (c *conversation) setHeaders(token string, lifetime time.Duration) {
	c.Header().Set("X-Token", token)
	c.Header().Set("Cache-Control", fmt.Sprintf("private, max-age=%d", int(lifetime/time.Second)))
}

// onWire is a good answer as net/http would send it.
func (c *conversation) onWire(token string, lifetime time.Duration) string {
	body := c.answer(token, lifetime)
	var head strings.Builder
	_ = c.Header().Write(&head) // a Builder takes everything
	return fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", head.String(), len(body), body)
}

// never is a good answer that comes in such a way that it must not be used.
func (c *conversation) never() string { return c.onWire(c.unissued(), time.Minute) }
