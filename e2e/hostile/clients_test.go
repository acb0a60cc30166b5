package hostile_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// These clients send what net/http would not.

// patience bounds what should come at once, on a busy machine.
const patience = 10 * time.Second

// answer is what a client got. Status 0: the connection or the stream was ended without one.
type answer struct {
	status  int
	details string // why, where Envoy or the plugin answered
	body    string
}

// http1Client has one connection at a time, and a new one once the gateway has closed it.
type http1Client struct {
	gateway    *harness.Gateway
	connection net.Conn
	reader     *bufio.Reader
}

// send writes a request as it is and reads the answer.
func (c *http1Client) send(t *testing.T, request string) answer {
	t.Helper()
	if c.connection == nil {
		connection, err := net.Dial("tcp", strings.TrimPrefix(c.gateway.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { connection.Close() })
		c.connection, c.reader = connection, bufio.NewReader(connection)
	}
	_ = c.connection.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c.connection, request); err != nil {
		t.Fatalf("the gateway takes no request: %v", err)
	}
	method, _, _ := strings.Cut(request, " ")
	response, err := http.ReadResponse(c.reader, &http.Request{Method: method})
	if err != nil {
		c.close()
		return answer{}
	}
	if response.StatusCode == http.StatusSwitchingProtocols || method == http.MethodConnect {
		c.close()
		return answer{status: response.StatusCode, details: response.Header.Get(harness.DetailsHeader)}
	}
	body, err := io.ReadAll(response.Body)
	if err != nil || response.Close {
		c.close()
	}
	return answer{response.StatusCode, response.Header.Get(harness.DetailsHeader), string(body)}
}

func (c *http1Client) close() {
	c.connection.Close()
	c.connection = nil
}

// http2Client has one connection at a time, with one stream at a time.
type http2Client struct {
	gateway *harness.Gateway
	streams *harness.Streams
	answers chan harness.StreamAnswer
}

// send writes the fields of a request as they are, then its body and its trailers, where it has any.
func (c *http2Client) send(t *testing.T, fields [][2]string, body string, trailers ...[2]string) answer {
	t.Helper()
	for range 2 { // the gateway may have closed the connection after the answer before
		if c.streams == nil {
			answers := make(chan harness.StreamAnswer, 1)
			c.answers, c.streams = answers, c.gateway.OpenStreams(t, func(_ int, got harness.StreamAnswer) { answers <- got })
		}
		if err := errors.Join(c.streams.SendFields(0, fields, body, trailers...), c.streams.Flush()); err != nil {
			c.streams = nil
			continue
		}
		select {
		case got := <-c.answers:
			if got.Status == 0 {
				c.streams = nil
			}
			return answer{got.Status, got.Details, got.Body}
		case <-time.After(patience):
			t.Fatalf("no answer within %s", patience)
		}
	}
	t.Fatal("the gateway takes no request")
	return answer{}
}
