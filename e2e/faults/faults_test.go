package faults_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// fault is one way in which a token service answers.
type fault struct {
	name   string
	weight int
	play   func(c *conversation) (stays bool) // stays: the connection takes another call
	header outcome                            // what may come of it where the token is in a header
	json   outcome                            // and where it is in the body
	only   func(*rule) bool                   // nil: every rule
	late   bool                               // the answer is good, but comes after the timeout
}

func (f *fault) outcome(r *rule) outcome {
	switch {
	case f.json == badSubject && !r.exchange:
		return refused // there is no subject
	case r.json:
		return f.json
	default:
		return f.header
	}
}

func inBody(r *rule) bool  { return r.json }
func byOAuth(r *rule) bool { return r.oauth }

// allFaults are, with the good answers, what token services do.
var allFaults = []*fault{
	{name: "a good answer", weight: 300, play: playGood, header: gotToken, json: gotToken},
	{name: "a good answer in chunks, with trailers", weight: 15, play: playChunks, header: gotToken, json: gotToken},
	{name: "a token that says its own end, a lifetime in milliseconds", weight: 30, play: playJWT, header: gotToken, json: gotToken},
	{name: "reset before the headers", weight: 10, play: playReset(0), header: unavailable, json: unavailable},
	{name: "reset in the headers", weight: 10, play: playReset(20), header: unavailable, json: unavailable},
	{name: "reset after the headers", weight: 10, play: playResetAfterHeaders, header: unavailable, json: unavailable},
	{name: "closed without an answer", weight: 10, play: playNothingAndClose, header: unavailable, json: unavailable},
	{name: "half a body, then silence", weight: 10, play: playHalf, header: unavailable, json: unavailable},
	{name: "no answer at all", weight: 10, play: playNever, header: unavailable, json: unavailable},
	{name: "an answer after the timeout", weight: 10, play: playLate, header: unavailable, json: unavailable, late: true},
	{name: "a byte every 50 ms", weight: 10, play: playTrickle, header: unavailable, json: unavailable},
	{name: "10 MB", weight: 1, play: playHuge, header: noToken | unavailable | refused, json: noToken | unavailable | refused},
	{name: "gzip that nobody asked for", weight: 10, play: playGzip, header: gotToken, json: noToken},
	{name: "invalid UTF-8", weight: 10, play: playInvalidUTF8, header: gotToken | noToken | unavailable, json: gotToken | noToken},
	{name: "JSON nested 100,000 deep", weight: 10, play: playDeep, header: gotToken, json: noToken},
	{name: "a token twice", weight: 10, play: playTwice, header: gotToken, json: gotToken},
	{name: "a header of 60 kB", weight: 10, play: playLongHeader, header: gotToken | unavailable, json: gotToken | unavailable},
	{name: "100 Continue first", weight: 10, play: playContinue, header: gotToken, json: gotToken},
	{name: "a redirect", weight: 10, play: playStatus("302 Found", "Location: /elsewhere"), header: refused, json: refused},
	{name: "closes after the answer", weight: 10, play: playClose, header: gotToken, json: gotToken},
	{name: "more bytes than announced", weight: 10, play: playSurplus, header: gotToken, json: gotToken},
	{name: "nothing: an empty 200", weight: 10, play: playStatus("200 OK"), header: noToken, json: noToken},
	{name: "zero and negative lifetimes", weight: 15, play: playZeroLifetime, header: gotToken, json: gotToken},
	{name: "429 with Retry-After", weight: 3, play: playTooMany, header: unavailable, json: unavailable},
	{name: "500", weight: 5, play: playStatus("500 Internal Server Error"), header: unavailable, json: unavailable},
	{name: "503", weight: 5, play: playStatus("503 Service Unavailable"), header: unavailable, json: unavailable},
	{name: "403", weight: 5, play: playStatus("403 Forbidden"), header: refused, json: refused},
	{name: "HTML", weight: 10, play: playHTML, header: noToken, json: noToken},
	{name: "not HTTP", weight: 5, play: playGreeting, header: unavailable, json: unavailable},
	{name: "a token of 20 KiB", weight: 5, play: playLongToken, header: noToken, json: noToken},
	{name: "a line break in the token", weight: 10, play: playLineBreak, json: noToken, only: inBody},
	{name: "an object where the token should be", weight: 5, play: playObject, json: noToken, only: inBody},
	{name: "401 invalid_client", weight: 5, play: playError("401 Unauthorized", "invalid_client"), json: refused, only: byOAuth},
	{name: "400 invalid_grant", weight: 10, play: playError("400 Bad Request", "invalid_grant"), json: badSubject, only: byOAuth},
}

// chooseFault chooses by the weights.
func chooseFault(r *rule, random *rand.Rand, healthy bool) *fault {
	if healthy {
		return allFaults[0]
	}
	total := 0
	for _, f := range r.faults {
		total += f.weight
	}
	number := random.IntN(total)
	for _, f := range r.faults {
		if number -= f.weight; number < 0 {
			return f
		}
	}
	panic("no fault chosen")
}

// chooseFaults finds out which of the faults suit a rule.
func chooseFaults(rules []*rule) {
	for _, r := range rules {
		for _, f := range allFaults {
			if f.only == nil || f.only(r) {
				r.faults = append(r.faults, f)
			}
		}
	}
}

func playGood(c *conversation) bool { return c.send(c.good().bytes()) }

func playChunks(c *conversation) bool {
	r := c.good()
	chunks := ""
	for part := r.body; part != ""; {
		n := min(len(part), 7)
		chunks += fmt.Sprintf("%x\r\n%s\r\n", n, part[:n])
		part = part[n:]
	}
	return c.send(r.head("Transfer-Encoding: chunked", "Trailer: X-Sum") + chunks + "0\r\nX-Sum: 1\r\nX-Token: " + c.unissued() + "\r\n\r\n")
}

// playJWT names a lifetime a thousand times too long; the token's own end is nearer.
func playJWT(c *conversation) bool {
	notAfter := time.Now().Truncate(time.Second).Add(time.Duration(2+c.random.IntN(3)) * time.Second)
	return c.send(c.withToken(c.newJWT(3600_000*time.Second, notAfter), 3600_000*time.Second).bytes())
}

func playReset(after int) func(*conversation) bool {
	return func(c *conversation) bool {
		if after > 0 {
			c.send(c.never().bytes()[:after])
			time.Sleep(2 * time.Millisecond)
		}
		reset(c.connection)
		return false
	}
}

func playResetAfterHeaders(c *conversation) bool {
	c.send(c.never().head("Content-Length: 100000"))
	time.Sleep(2 * time.Millisecond)
	reset(c.connection)
	return false
}

func playNothingAndClose(*conversation) bool { return false }

func playHalf(c *conversation) bool {
	r := c.never()
	c.send(r.head(fmt.Sprintf("Content-Length: %d", len(r.body)+1000)) + r.body)
	c.awaitEnd()
	return false
}

func playNever(c *conversation) bool {
	c.awaitEnd()
	return false
}

func playLate(c *conversation) bool {
	time.Sleep(callTimeout + 200*time.Millisecond + time.Duration(c.random.IntN(300))*time.Millisecond)
	c.send(c.good().bytes()) // which a worker that had no core for so long may find in time
	return false
}

func playTrickle(c *conversation) bool {
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

func playHuge(c *conversation) bool { return c.send(jsonReply(hugeBody()).bytes()) }

func playGzip(c *conversation) bool {
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

func playInvalidUTF8(c *conversation) bool {
	lifetime := c.lifetime()
	token := c.enter(c.unissued()+"\xff\xfe\xc0\xaf", lifetime, time.Time{})
	if !c.call.rule.json {
		return c.send(c.withToken(token, lifetime).bytes())
	}
	return c.send(jsonReply(fmt.Sprintf(`{"access_token":"%s","expires_in":%d,"text":"%s"}`, token, int(lifetime/time.Second), "\xed\xa0\x80\xf8")).bytes())
}

// playDeep has good things before the depth.
func playDeep(c *conversation) bool {
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

// playTwice names two tokens. Of two headers the first counts; which of two equal keys, is
// the reader's choice.
func playTwice(c *conversation) bool {
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

func playLongHeader(c *conversation) bool {
	r := c.good()
	r.headers = append(r.headers, "X-Long: "+strings.Repeat("long ", 12_000))
	return c.send(r.bytes())
}

func playContinue(c *conversation) bool {
	return c.send("HTTP/1.1 100 Continue\r\n\r\n") && c.send(c.good().bytes())
}

func playStatus(status string, headers ...string) func(*conversation) bool {
	return func(c *conversation) bool { return c.send(reply{status: status, headers: headers}.bytes()) }
}

func playClose(c *conversation) bool {
	r := c.good()
	r.headers = append(r.headers, "Connection: close")
	c.send(r.bytes())
	return false
}

// playSurplus ends a good answer and goes on writing, into an answer that nobody asked for.
func playSurplus(c *conversation) bool {
	c.send(c.good().bytes() + c.never().bytes())
	c.service.ledger.cut(c.call.rule, span{time.Now(), time.Now().Add(50 * time.Millisecond)})
	return false
}

func playZeroLifetime(c *conversation) bool {
	token := c.newToken(0)
	if !c.call.rule.json {
		r := c.withToken(token, 0)
		r.headers, r.body = append(r.headers, "Cache-Control: no-store"), ""
		return c.send(r.bytes())
	}
	return c.send(jsonReply(fmt.Sprintf(`{"access_token":%q,"expires_in":%d}`, token, -c.random.IntN(2))).bytes())
}

func playTooMany(c *conversation) bool {
	c.service.ledger.change(func() { c.call.retryAfter = time.Second })
	return c.send(reply{status: "429 Too Many Requests", headers: []string{"Retry-After: 1"}}.bytes())
}

func playHTML(c *conversation) bool {
	return c.send(reply{
		status: "200 OK", headers: []string{"Content-Type: text/html"},
		body: "<html><body>Sign in to the network. <!-- " + c.unissued() + " --></body></html>",
	}.bytes())
}

func playGreeting(c *conversation) bool {
	c.send("SSH-2.0-OpenSSH_9.9\r\n")
	c.awaitEnd()
	return false
}

func playLongToken(c *conversation) bool {
	return c.send(c.withToken(c.unissued()+strings.Repeat("x", 20<<10), time.Minute).bytes())
}

func playLineBreak(c *conversation) bool {
	breaks := []string{`\n`, `\r\n`, `\r`}
	token := c.unissued() + breaks[c.random.IntN(len(breaks))] + "X-Forged: yes"
	return c.send(jsonReply(`{"access_token":"` + token + `","expires_in":60}`).bytes())
}

func playObject(c *conversation) bool {
	values := []string{`{"value":"` + c.unissued() + `"}`, `["` + c.unissued() + `"]`, "null", "true", `""`}
	return c.send(jsonReply(`{"access_token":` + values[c.random.IntN(len(values))] + `,"expires_in":60}`).bytes())
}

func playError(status, code string) func(*conversation) bool {
	return func(c *conversation) bool {
		r := jsonReply(`{"error":"` + code + `","error_description":"` + secretMark + ` is no good"}`)
		r.status = status
		return c.send(r.bytes())
	}
}
