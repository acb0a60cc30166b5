package faults

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"sync"
	"time"

	"token-fetch/e2e/harness"
)

// How each of the faults is served. What is sent with never() must not be used.

func serveGood(c *conversation) bool { return c.send(c.good().bytes()) }

func serveChunks(c *conversation) bool {
	r := c.good()
	chunks := ""
	for part := r.body; part != ""; {
		n := min(len(part), 7)
		chunks += fmt.Sprintf("%x\r\n%s\r\n", n, part[:n])
		part = part[n:]
	}
	return c.send(r.head("Transfer-Encoding: chunked", "Trailer: X-Sum") + chunks + "0\r\nX-Sum: 1\r\nX-Token: " + c.unissued() + "\r\n\r\n")
}

// serveJWT names a lifetime a thousand times too long; the token's own end is nearer.
func serveJWT(c *conversation) bool {
	notAfter := time.Now().Truncate(time.Second).Add(time.Duration(2+c.random.IntN(3)) * time.Second)
	return c.send(c.withToken(c.newJWT(3600_000*time.Second, notAfter), 3600_000*time.Second).bytes())
}

func serveReset(after int) func(*conversation) bool {
	return func(c *conversation) bool {
		if after > 0 {
			c.send(c.never().bytes()[:after])
			time.Sleep(2 * time.Millisecond)
		}
		reset(c.connection)
		return false
	}
}

func serveResetAfterHeaders(c *conversation) bool {
	c.send(c.never().head("Content-Length: 100000"))
	time.Sleep(2 * time.Millisecond)
	reset(c.connection)
	return false
}

func serveNothingAndClose(*conversation) bool { return false }

func serveHalf(c *conversation) bool {
	r := c.never()
	c.send(r.head(fmt.Sprintf("Content-Length: %d", len(r.body)+1000)) + r.body)
	c.awaitEnd()
	return false
}

func serveNever(c *conversation) bool {
	c.awaitEnd()
	return false
}

func serveLate(c *conversation) bool {
	time.Sleep(callTimeout + 200*time.Millisecond + time.Duration(c.random.IntN(300))*time.Millisecond)
	c.send(c.good().bytes()) // which a worker that had no core for so long may find in time
	return false
}

func serveTrickle(c *conversation) bool {
	r := c.never()
	if c.random.IntN(2) == 0 {
		c.trickle(r.bytes(), 50*time.Millisecond)
		return false
	}
	c.send(r.head("Content-Length: 1000"))
	c.trickle(strings.Repeat(" ", 1000), 50*time.Millisecond)
	return false
}

var hugeBody = sync.OnceValue(func() string {
	return `{"text":"` + strings.Repeat("0123456789", 1_000_000) + `"}`
})

func serveHuge(c *conversation) bool { return c.send(jsonReply(hugeBody()).bytes()) }

func serveGzip(c *conversation) bool {
	r := c.good()
	if !c.call.rule.json {
		lifetime := c.lifetime()
		r = inHeaders(c.newToken(lifetime), lifetime)
	}
	var body bytes.Buffer
	writer := gzip.NewWriter(&body)
	_, _ = writer.Write([]byte(r.body))
	_ = writer.Close()
	r.headers, r.body = append(r.headers, "Content-Encoding: gzip"), body.String()
	return c.send(r.bytes())
}

func serveInvalidUTF8(c *conversation) bool {
	lifetime := c.lifetime()
	token := c.enter(c.unissued()+"\xff\xfe\xc0\xaf", lifetime, time.Time{})
	if !c.call.rule.json {
		return c.send(c.withToken(token, lifetime).bytes())
	}
	return c.send(jsonReply(fmt.Sprintf(`{"access_token":"%s","expires_in":%d,"text":"%s"}`, token, int(lifetime/time.Second), "\xed\xa0\x80\xf8")).bytes())
}

// serveDeep has good things before the depth.
func serveDeep(c *conversation) bool {
	const depth = 100_000
	lifetime := c.lifetime()
	open, end := "[", "]"
	if c.random.IntN(2) == 0 {
		open, end = `{"a":`, "}"
	}
	if c.random.IntN(2) == 0 {
		end = ""
	}
	deep := strings.Repeat(open, depth) + "1" + strings.Repeat(end, depth)
	if c.call.rule.json {
		return c.send(jsonReply(`{"access_token":"` + c.unissued() + `","deep":` + deep + "}").bytes())
	}
	r := inHeaders(c.newToken(lifetime), lifetime)
	r.body = `{"expires_in":3600,"deep":` + deep + "}"
	return c.send(r.bytes())
}

// serveTwice names two tokens. Of two headers the first counts; which of two equal keys, is
// the reader's choice.
func serveTwice(c *conversation) bool {
	lifetime := c.lifetime()
	first, second := c.newToken(lifetime), c.unissued()
	if c.call.rule.json {
		second = c.enter(second, lifetime, time.Time{})
		return c.send(jsonReply(fmt.Sprintf(`{"access_token":%q,"expires_in":1,"access_token":%q,"expires_in":1}`, first, second)).bytes())
	}
	r := c.withToken(first, lifetime)
	r.headers = append(r.headers, "X-Token: "+second)
	return c.send(r.bytes())
}

func serveLongHeader(c *conversation) bool {
	r := c.good()
	r.headers = append(r.headers, "X-Long: "+strings.Repeat("long ", 12_000))
	return c.send(r.bytes())
}

func serveContinue(c *conversation) bool {
	return c.send("HTTP/1.1 100 Continue\r\n\r\n") && c.send(c.good().bytes())
}

func serveStatus(status string, headers ...string) func(*conversation) bool {
	return func(c *conversation) bool { return c.send(reply{status: status, headers: headers}.bytes()) }
}

func serveClose(c *conversation) bool {
	r := c.good()
	r.headers = append(r.headers, "Connection: close")
	c.send(r.bytes())
	return false
}

// serveSurplus ends a good answer and goes on writing, into an answer that nobody asked for.
func serveSurplus(c *conversation) bool {
	c.send(c.good().bytes() + c.never().bytes())
	c.service.ledger.cut(c.call.rule, span{time.Now(), time.Now().Add(50 * time.Millisecond)})
	return false
}

func serveZeroLifetime(c *conversation) bool {
	token := c.newToken(0)
	if !c.call.rule.json {
		r := c.withToken(token, 0)
		r.headers, r.body = append(r.headers, "Cache-Control: no-store"), ""
		return c.send(r.bytes())
	}
	return c.send(jsonReply(fmt.Sprintf(`{"access_token":%q,"expires_in":%d}`, token, -c.random.IntN(2))).bytes())
}

func serveTooMany(c *conversation) bool {
	c.service.ledger.change(func() { c.call.retryAfter = time.Second })
	return c.send(reply{status: "429 Too Many Requests", headers: []string{"Retry-After: 1"}}.bytes())
}

func serveHTML(c *conversation) bool {
	return c.send(reply{
		status: "200 OK", headers: []string{"Content-Type: text/html"},
		body: "<html><body>Sign in to the network. <!-- " + c.unissued() + " --></body></html>",
	}.bytes())
}

func serveGreeting(c *conversation) bool {
	c.send("SSH-2.0-OpenSSH_9.9\r\n")
	c.awaitEnd()
	return false
}

func serveLongToken(c *conversation) bool {
	return c.send(c.withToken(c.unissued()+strings.Repeat("x", 20<<10), time.Minute).bytes())
}

func serveLineBreak(c *conversation) bool {
	breaks := []string{`\n`, `\r\n`, `\r`}
	token := c.unissued() + breaks[c.random.IntN(len(breaks))] + "X-Forged: yes"
	return c.send(jsonReply(`{"access_token":"` + token + `","expires_in":60}`).bytes())
}

func serveObject(c *conversation) bool {
	values := []string{`{"value":"` + c.unissued() + `"}`, `["` + c.unissued() + `"]`, "null", "true", `""`}
	return c.send(jsonReply(`{"access_token":` + values[c.random.IntN(len(values))] + `,"expires_in":60}`).bytes())
}

func serveError(status, code string) func(*conversation) bool {
	return func(c *conversation) bool {
		r := jsonReply(`{"error":"` + code + `","error_description":"` + harness.SecretMark + ` is no good"}`)
		r.status = status
		return c.send(r.bytes())
	}
}
