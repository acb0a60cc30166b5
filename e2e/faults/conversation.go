package faults

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"token-fetch/e2e/harness"
)

// conversation is one call and what the token service makes of it.
type conversation struct {
	service    *tokenService
	connection net.Conn
	call       *call
	random     *rand.Rand
}

// reply is an answer of a token service.
type reply struct {
	status  string
	headers []string
	body    string
}

// bytes are the reply on the wire, with its length.
func (r reply) bytes() string {
	return r.head(fmt.Sprintf("Content-Length: %d", len(r.body))) + r.body
}

func (r reply) head(more ...string) string {
	lines := append([]string{"HTTP/1.1 " + r.status}, r.headers...)
	return strings.Join(append(lines, more...), "\r\n") + "\r\n\r\n"
}

// send writes bytes; the gateway may have given up.
func (c *conversation) send(text string) bool {
	_ = c.connection.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_, err := c.connection.Write([]byte(text))
	return err == nil
}

// trickle writes a byte at a time until the gateway gives up.
func (c *conversation) trickle(text string, pause time.Duration) {
	for i := range len(text) {
		if !c.send(text[i : i+1]) {
			return
		}
		time.Sleep(pause)
	}
}

// awaitEnd returns when the gateway has closed the connection.
func (c *conversation) awaitEnd() {
	_ = c.connection.SetReadDeadline(time.Now().Add(10 * time.Second))
	var one [1]byte
	_, _ = c.connection.Read(one[:])
}

// newToken makes a token that no other call gets, and enters it.
func (c *conversation) newToken(lifetime time.Duration) string {
	return c.enter(c.unissued(), lifetime, time.Time{})
}

// unissued is a token that must never reach an upstream.
func (c *conversation) unissued() string {
	return fmt.Sprintf("%s-%s-%d", harness.SecretMark, c.call.rule.name, c.service.tokens.Add(1))
}

func (c *conversation) enter(token string, lifetime time.Duration, notAfter time.Time) string {
	c.service.ledger.issued(token, &issue{call: c.call, lifetime: lifetime, notAfter: notAfter})
	return token
}

// newJWT is a token that says itself when it ends.
func (c *conversation) newJWT(lifetime time.Duration, notAfter time.Time) string {
	return c.enter(jwt(fmt.Sprintf(`{"exp":%d}`, notAfter.Unix()), c.unissued()), lifetime, notAfter)
}

// jwt is an unsigned token; the part in the place of the signature keeps it apart from others.
func jwt(claims, signature string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + "." + signature
}

// lifetimes of good answers are short, so that a minute has many renewals.
var lifetimes = []time.Duration{time.Second, time.Second, 2 * time.Second, 3 * time.Second}

func (c *conversation) lifetime() time.Duration { return lifetimes[c.random.IntN(len(lifetimes))] }

// withToken is a good answer, the token where the rule looks for it.
func (c *conversation) withToken(token string, lifetime time.Duration) reply {
	seconds := int(lifetime / time.Second)
	if c.call.rule.json {
		return jsonReply(fmt.Sprintf(`{"access_token":%q,"token_type":"Bearer","expires_in":%d}`, token, seconds))
	}
	if c.random.IntN(2) == 0 {
		return inHeaders(token, lifetime)
	}
	return reply{status: "200 OK", headers: []string{"X-Token: " + token}, body: fmt.Sprintf(`{"expires_in":"%d"}`, seconds)}
}

// inHeaders is a good answer of which nothing is in the body.
func inHeaders(token string, lifetime time.Duration) reply {
	return reply{status: "200 OK", headers: []string{
		"X-Token: " + token, fmt.Sprintf("Cache-Control: private, max-age=%d", int(lifetime/time.Second)),
	}}
}

func jsonReply(body string) reply {
	return reply{status: "200 OK", headers: []string{"Content-Type: application/json", "Cache-Control: no-store"}, body: body}
}

// good is a good answer with a new token.
func (c *conversation) good() reply {
	lifetime := c.lifetime()
	return c.withToken(c.newToken(lifetime), lifetime)
}

// never is a good answer that comes in such a way that it must not be used.
func (c *conversation) never() reply { return c.withToken(c.unissued(), time.Minute) }
