package hostile_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

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
		c.connection = dial(t, c.gateway)
		c.reader = bufio.NewReader(c.connection)
	}
	deadline(t, c.connection)
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
	gateway    *harness.Gateway
	connection net.Conn
	framer     *http2.Framer
	stream     uint32
	isTunnel   bool // the stream is a CONNECT's
	block      bytes.Buffer
	encoder    *hpack.Encoder
}

// send writes the fields of a request as they are, then its body and its trailers, where it has any.
func (c *http2Client) send(t *testing.T, fields [][2]string, body string, trailers ...[2]string) answer {
	t.Helper()
	if c.connection == nil {
		c.connect(t)
	}
	c.stream += 2
	c.isTunnel = slices.Contains(fields, [2]string{":method", http.MethodConnect})
	deadline(t, c.connection)
	err := c.writeHeaders(fields, body == "" && len(trailers) == 0)
	if body != "" && err == nil {
		err = c.framer.WriteData(c.stream, len(trailers) == 0, []byte(body))
	}
	if len(trailers) > 0 && err == nil {
		err = c.writeHeaders(trailers, true)
	}
	if err != nil {
		t.Fatalf("the gateway takes no request: %v", err)
	}
	return c.read()
}

func (c *http2Client) connect(t *testing.T) {
	t.Helper()
	c.connection = dial(t, c.gateway)
	c.framer = http2.NewFramer(c.connection, bufio.NewReader(c.connection))
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.framer.AllowIllegalWrites = true
	c.encoder = hpack.NewEncoder(&c.block)
	c.encoder.SetMaxDynamicTableSize(0)
	c.stream = 1
	_, _ = io.WriteString(c.connection, http2.ClientPreface)
	if err := c.framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
}

func (c *http2Client) writeHeaders(fields [][2]string, end bool) error {
	c.block.Reset()
	for _, field := range fields {
		_ = c.encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	const frame = 1 << 14
	rest := c.block.Bytes()
	first := rest[:min(len(rest), frame)]
	rest = rest[len(first):]
	err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: c.stream, BlockFragment: first, EndStream: end, EndHeaders: len(rest) == 0})
	for len(rest) > 0 && err == nil {
		next := rest[:min(len(rest), frame)]
		rest = rest[len(next):]
		err = c.framer.WriteContinuation(c.stream, len(rest) == 0, next)
	}
	return err
}

// read returns at the end of the stream, of the connection, or with the answer to a CONNECT, whose stream stays open.
func (c *http2Client) read() (got answer) {
	for {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			c.close()
			return answer{}
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				_ = c.framer.WriteSettingsAck()
			}
		case *http2.GoAwayFrame:
			c.close()
			return got
		case *http2.MetaHeadersFrame:
			if status := frame.PseudoValue("status"); status != "" {
				got.status, _ = strconv.Atoi(status)
			}
			for _, field := range frame.RegularFields() {
				if strings.EqualFold(field.Name, harness.DetailsHeader) {
					got.details = field.Value
				}
			}
			if frame.StreamEnded() || got.status == http.StatusOK && c.isTunnel {
				return got
			}
		case *http2.DataFrame:
			got.body += string(frame.Data())
			if frame.StreamEnded() {
				return got
			}
		case *http2.RSTStreamFrame:
			if frame.StreamID == c.stream {
				return answer{}
			}
		}
	}
}

func (c *http2Client) close() {
	c.connection.Close()
	c.connection = nil
}

func dial(t *testing.T, gateway *harness.Gateway) net.Conn {
	t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(gateway.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return connection
}

func deadline(t *testing.T, connection net.Conn) {
	t.Helper()
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
}
