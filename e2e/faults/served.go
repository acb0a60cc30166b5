package faults

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"token-fetch/e2e/harness"
)

// How each of the faults is served. What is sent with never() or unissued() must not be used.

func plain(answer http.HandlerFunc) func(*conversation) {
	return func(c *conversation) { answer(c.ResponseWriter, c.request) }
}

func serveGood(c *conversation) {
	lifetime := newLifetime()
	c.send(c.answer(c.newToken(lifetime), lifetime))
}

func serveChunks(c *conversation) {
	lifetime := newLifetime()
	c.Header().Set("Trailer", "X-Sum")
	body := c.answer(c.newToken(lifetime), lifetime)
	c.flush()
	for body != "" {
		n := min(len(body), 7)
		_, _ = io.WriteString(c, body[:n])
		c.flush()
		body = body[n:]
	}
	c.Header().Set("X-Sum", "1")
	c.Header().Set(http.TrailerPrefix+"X-Token", c.unissued())
}

// serveJWT names a lifetime a thousand times too long; the token's own end is nearer.
func serveJWT(c *conversation) {
	const lifetime = 3600_000 * time.Second
	notAfter := time.Now().Truncate(time.Second).Add(time.Duration(2+rand.IntN(3)) * time.Second)
	token := c.issued(harness.UnsignedJWT(fmt.Sprintf(`{"exp":%d}`, notAfter.Unix()))+"-%s", lifetime, notAfter)
	c.send(c.answer(token, lifetime))
}

func serveResetInHeaders(c *conversation) { c.raw(c.never()[:20], reset) }

func serveResetAfterHeaders(c *conversation) {
	head, _, _ := strings.Cut(c.never(), "Content-Length")
	c.raw(head+"Content-Length: 100000\r\n\r\n", reset)
}

func serveHalf(c *conversation) {
	body := c.answer(c.unissued(), time.Minute)
	c.Header().Set("Content-Length", fmt.Sprint(len(body)+1000))
	_, _ = io.WriteString(c, body)
	c.flush()
	<-c.request.Context().Done()
}

func serveLate(c *conversation) {
	time.Sleep(callTimeout + 200*time.Millisecond + rand.N(300*time.Millisecond))
	serveGood(c) // which a worker that had no core for so long may find in time
}

// serveTrickle never gets to the end of the headers, or of the body.
func serveTrickle(c *conversation) {
	at, text := "", c.never()
	if rand.IntN(2) == 0 {
		head, _, _ := strings.Cut(text, "Content-Length")
		at, text = head+"Content-Length: 1000\r\n\r\n", strings.Repeat(" ", 1000)
	}
	c.raw(at, func(connection net.Conn) {
		for i := range len(text) {
			if _, err := io.WriteString(connection, text[i:i+1]); err != nil {
				return // the gateway has given up
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
}

var hugeBody = sync.OnceValue(func() string { return `{"text":"` + strings.Repeat("0123456789", 1_000_000) + `"}` })

func serveHuge(c *conversation) { c.sendJSON("%s", hugeBody()) }

func serveGzip(c *conversation) {
	lifetime := newLifetime()
	token := c.newToken(lifetime)
	plain := c.answer(token, lifetime)
	if !c.call.rule.json {
		c.setHeaders(token, lifetime) // where the lifetime can be read
	}
	var body bytes.Buffer
	writer := gzip.NewWriter(&body)
	_, _ = io.WriteString(writer, plain)
	_ = writer.Close()
	c.Header().Set("Content-Encoding", "gzip")
	c.send(body.String())
}

func serveInvalidUTF8(c *conversation) {
	lifetime := newLifetime()
	token := c.issued("%s\xff\xfe\xc0\xaf", lifetime, time.Time{})
	if c.call.rule.json {
		c.sendJSON(`{"access_token":"%s","expires_in":%d,"text":"%s"}`, token, int(lifetime/time.Second), "\xed\xa0\x80\xf8")
		return
	}
	c.send(c.answer(token, lifetime))
}

// serveDeep has good things before the depth.
func serveDeep(c *conversation) {
	const depth = 100_000
	open, end := "[", "]"
	if rand.IntN(2) == 0 {
		open, end = `{"a":`, "}"
	}
	if rand.IntN(2) == 0 {
		end = ""
	}
	deep := strings.Repeat(open, depth) + "1" + strings.Repeat(end, depth)
	if c.call.rule.json {
		c.sendJSON(`{"access_token":"%s","deep":%s}`, c.unissued(), deep)
		return
	}
	lifetime := newLifetime()
	c.setHeaders(c.newToken(lifetime), lifetime)
	c.send(`{"expires_in":3600,"deep":` + deep + "}")
}

// serveTwice names two tokens. Of two headers the first counts; which of two equal keys, is
// the reader's choice.
func serveTwice(c *conversation) {
	lifetime := newLifetime()
	first := c.newToken(lifetime)
	if c.call.rule.json {
		c.sendJSON(`{"access_token":%q,"expires_in":1,"access_token":%q,"expires_in":1}`, first, c.newToken(lifetime))
		return
	}
	body := c.answer(first, lifetime)
	c.Header().Add("X-Token", c.unissued())
	c.send(body)
}

func serveLongHeader(c *conversation) {
	c.Header().Set("X-Long", strings.Repeat("long ", 12_000))
	serveGood(c)
}

func serveContinue(c *conversation) {
	c.WriteHeader(http.StatusContinue)
	serveGood(c)
}

func serveRedirect(c *conversation) {
	c.Header().Set("Location", "/elsewhere")
	c.WriteHeader(http.StatusFound)
}

func serveClose(c *conversation) {
	c.Header().Set("Connection", "close")
	serveGood(c)
}

// serveSurplus writes more bytes after a complete answer, like a second answer without a request.
func serveSurplus(c *conversation) {
	lifetime := newLifetime()
	c.raw(c.onWire(c.newToken(lifetime), lifetime)+c.never(), func(net.Conn) {})
	c.ledger.cut(c.call.rule, span{time.Now(), time.Now().Add(50 * time.Millisecond)})
}

func serveZeroLifetime(c *conversation) {
	token := c.newToken(0)
	if c.call.rule.json {
		c.sendJSON(`{"access_token":%q,"expires_in":%d}`, token, -rand.IntN(2))
		return
	}
	c.Header().Set("X-Token", token)
	c.Header().Set("Cache-Control", "no-store")
	c.send("")
}

func serveHTML(c *conversation) {
	c.Header().Set("Content-Type", "text/html")
	c.send("<html><body>Sign in to the network. <!-- " + c.unissued() + " --></body></html>")
}

func serveGreeting(c *conversation) { c.raw("SSH-2.0-OpenSSH_9.9\r\n", awaitEnd) }

func serveLongToken(c *conversation) {
	c.send(c.answer(c.unissued()+strings.Repeat("x", 20<<10), time.Minute))
}

func serveLineBreak(c *conversation) {
	breaks := []string{`\n`, `\r\n`, `\r`}
	c.sendJSON(`{"access_token":"%s%sX-Forged: yes","expires_in":60}`, c.unissued(), breaks[rand.IntN(len(breaks))])
}

func serveObject(c *conversation) {
	values := []string{`{"value":"` + c.unissued() + `"}`, `["` + c.unissued() + `"]`, "null", "true", `""`}
	c.sendJSON(`{"access_token":%s,"expires_in":60}`, values[rand.IntN(len(values))])
}

func serveError(status int, code string) func(*conversation) {
	return func(c *conversation) {
		c.setJSON()
		c.WriteHeader(status)
		c.send(`{"error":"` + code + `","error_description":"` + harness.SecretMark + ` is no good"}`)
	}
}
