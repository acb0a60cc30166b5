package faults

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"time"
)

// What clients do over HTTP/1.1 that net/http would not.

// rawConnection is a connection to the gateway.
type rawConnection struct {
	net.Conn
	reader *bufio.Reader
	begin  []byte // of what was read, for error messages
}

func (c *rawConnection) Read(data []byte) (int, error) {
	n, err := c.Conn.Read(data)
	if room := 300 - len(c.begin); room > 0 {
		c.begin = append(c.begin, data[:min(n, room)]...)
	}
	return n, err
}

func (l *load) dial() (*rawConnection, error) {
	connection, err := net.Dial("tcp", strings.TrimPrefix(l.gateway.URL, "http://"))
	if err != nil {
		return nil, err
	}
	_ = connection.SetDeadline(time.Now().Add(patience))
	c := &rawConnection{Conn: connection}
	c.reader = bufio.NewReader(c)
	return c, nil
}

// head is a request up to the empty line. What is forged comes as it is written in lines.
func (r *request) head(method string, header http.Header, lines ...string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, r.path(), r.rule.name)
	_ = header.Write(&text) // a Builder takes everything
	for _, line := range lines {
		text.WriteString(line + "\r\n")
	}
	return text.String() + "\r\n"
}

// rawAnswer is an answer whose body has been read.
type rawAnswer struct {
	status int
	header http.Header
	body   string
	closes bool // the connection
}

// read reads an answer; the request's method is GET or POST.
func (c *rawConnection) read() (rawAnswer, error) {
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return rawAnswer{}, fmt.Errorf("%w, the connection began with %.300q", err, c.begin)
	}
	defer response.Body.Close()
	answer := rawAnswer{status: response.StatusCode, header: response.Header, closes: response.Close}
	if answer.status == http.StatusSwitchingProtocols || answer.status == http.StatusContinue {
		return answer, nil
	}
	body, err := io.ReadAll(response.Body)
	answer.body = string(body)
	return answer, err
}

// exchange writes a request and reads its answer.
func (l *load) exchange(c *rawConnection, r *request, text string) (status int) {
	l.sending(r)
	_, err := io.WriteString(c, text)
	if err != nil {
		l.failed(r, err)
		return 0
	}
	return l.await(c, r)
}

// await reads the answer of a request that has been written, and returns its status.
func (l *load) await(c *rawConnection, r *request) (status int) {
	answer, err := c.read()
	if err != nil {
		l.failed(r, err)
		return 0
	}
	if answer.status != http.StatusContinue {
		l.answered(r, answer.status, answer.header, answer.body)
	}
	return answer.status
}

// connected does something over a new connection.
func (l *load) connected(r *request, do func(c *rawConnection)) {
	c, err := l.dial()
	if err != nil {
		l.sending(r)
		l.failed(r, err)
		return
	}
	defer c.Close()
	do(c)
}

func webSocket(l *load, requests []*request, random *rand.Rand) {
	r := requests[0]
	l.connected(r, func(c *rawConnection) {
		status := l.exchange(c, r, r.head(http.MethodGet, r.header(random), "Connection: Upgrade", "Upgrade: websocket",
			"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="))
		if status != http.StatusSwitchingProtocols {
			return
		}
		const text = "frames"
		echo := make([]byte, len(text))
		_, err := io.WriteString(c, text)
		if err == nil {
			_, err = io.ReadFull(c.reader, echo)
		}
		if err != nil || string(echo) != text {
			l.ledger.violate("a WebSocket that does not work", "%s: %q, %v", r, echo, err)
		}
	})
}

func expectContinue(l *load, requests []*request, random *rand.Rand) {
	r := requests[0]
	l.connected(r, func(c *rawConnection) {
		const body = "a body"
		status := l.exchange(c, r, r.head(http.MethodPost, r.header(random), "Expect: 100-continue", fmt.Sprintf("Content-Length: %d", len(body))))
		if status != http.StatusContinue {
			return // it is answered without the body
		}
		_, err := io.WriteString(c, body)
		if err != nil {
			l.failed(r, err)
			return
		}
		l.await(c, r)
	})
}

// pipeline writes all requests before it reads the first answer. Envoy itself cuts a
// connection when more than two answers are queued ("Too many responses queued"), as
// they are when it makes them at once. It counts that, and so does the suite.
func pipeline(l *load, requests []*request, random *rand.Rand) {
	l.connected(requests[0], func(c *rawConnection) {
		var text strings.Builder
		for _, r := range requests {
			text.WriteString(r.head(http.MethodGet, r.header(random)))
			l.sending(r)
		}
		_, err := io.WriteString(c, text.String())
		flooded := false
		for i, r := range requests {
			var answer rawAnswer
			now := time.Now()
			l.ledger.change(func() { r.countFrom = now })
			if err == nil {
				answer, err = c.read()
			}
			if err != nil {
				if !flooded && i >= 2 && errors.Is(err, io.ErrUnexpectedEOF) {
					flooded = true
					l.ledger.change(func() { l.ledger.floods++ })
				}
				r.leaves = flooded
				l.failed(r, err)
				continue
			}
			l.answered(r, answer.status, answer.header, answer.body)
			if answer.closes {
				err = errors.New("the gateway has closed the connection")
			}
		}
	})
}

// oddHeaders brings the token's header in forms that a careless filter would miss.
func oddHeaders(l *load, requests []*request, random *rand.Rand) {
	r := requests[0]
	l.connected(r, func(c *rawConnection) {
		header := r.header(random)
		if r.subject != nil {
			l.exchange(c, r, r.head(http.MethodGet, header)) // it needs the header for itself
			return
		}
		header.Del(r.rule.header)
		l.exchange(c, r, oddRequest(r, header, random))
	})
}

func oddRequest(r *request, header http.Header, random *rand.Rand) string {
	name, forged := r.rule.header, r.rule.prefix+forgedMark
	lower, upper := strings.ToLower(name), strings.ToUpper(name)
	mixed := ""
	for i, letter := range strings.Split(name, "") {
		if i%2 == 0 {
			mixed += strings.ToLower(letter)
		} else {
			mixed += strings.ToUpper(letter)
		}
	}
	forms := [][]string{
		{lower + ": " + forged},
		{upper + ": " + forged},
		{mixed + ":" + forged},
		{name + ": " + forged + "-1", lower + ": " + forged + "-2", upper + ": " + forged + "-3"},
		{name + ":"},
		{name + ":", name + ": " + forged},
		{name + ":  \t " + forged + " \t "},
		{name + ": " + forged + ", " + forged},
		{name + ": " + forged + strings.Repeat("x", 8<<10)},
		{name + ": " + forged + "\xff"},
		{name + ": " + forged, "Connection: " + textproto.CanonicalMIMEHeaderKey(name)},
	}
	number := random.IntN(len(forms) + 1)
	if number < len(forms) {
		return r.head(http.MethodGet, header, forms[number]...)
	}
	return r.head(http.MethodPost, header, "Transfer-Encoding: chunked", "Trailer: "+name) +
		"6\r\na body\r\n0\r\n" + name + ": " + forged + "\r\n\r\n"
}
