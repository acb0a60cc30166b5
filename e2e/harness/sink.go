package harness

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Arrival is one request as the sink received it.
type Arrival struct {
	Path  string
	Token string // all values of X-Token
	Time  time.Time
}

// Sink is an upstream for thousands of requests at once. It speaks HTTP/2, so that
// Envoy needs one connection for all, takes the requests in exactly the order in
// which they come over it, and answers each with 200 and no body.
type Sink struct {
	address  *net.TCPAddr
	arrivals recorder[Arrival]
}

// NewSink starts a sink that runs until the test ends.
func NewSink(t testing.TB) *Sink {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	s := &Sink{address: listener.Addr().(*net.TCPAddr)}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go s.serve(connection)
		}
	}()
	return s
}

// Arrivals are all requests so far, the oldest first.
func (s *Sink) Arrivals() []Arrival { return s.arrivals.all() }

// Forget drops the recorded requests.
func (s *Sink) Forget() { s.arrivals.clear() }

func (s *Sink) cluster(name string) cluster {
	return cluster{Name: name, Host: s.address.IP.String(), Port: s.address.Port, HTTP2: true, Limit: noLimit}
}

// serve ends with the connection, which Envoy closes.
func (s *Sink) serve(connection net.Conn) {
	defer connection.Close()
	reader, writer := bufio.NewReader(connection), bufio.NewWriter(connection)
	if _, err := io.CopyN(io.Discard, reader, int64(len(http2.ClientPreface))); err != nil {
		return
	}
	framer := http2.NewFramer(writer, reader)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	err := framer.WriteSettings()
	for err == nil {
		if reader.Buffered() == 0 {
			if err = writer.Flush(); err != nil {
				return
			}
		}
		var frame http2.Frame
		if frame, err = framer.ReadFrame(); err == nil {
			err = s.answer(framer, frame)
		}
	}
}

func (s *Sink) answer(framer *http2.Framer, frame http2.Frame) error {
	headers, isRequest := frame.(*http2.MetaHeadersFrame)
	if !isRequest {
		return acknowledge(framer, frame)
	}
	s.arrivals.add(Arrival{Path: headers.PseudoValue("path"), Token: valuesOf(headers, "x-token"), Time: time.Now()})
	const status200 = 0x88 // of HPACK's static table
	return framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID:      headers.StreamID,
		BlockFragment: []byte{status200},
		EndStream:     true,
		EndHeaders:    true,
	})
}

// acknowledge does what the protocol demands of both sides of a connection.
func acknowledge(framer *http2.Framer, frame http2.Frame) error {
	switch frame := frame.(type) {
	case *http2.SettingsFrame:
		if !frame.IsAck() {
			return framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !frame.IsAck() {
			return framer.WritePing(true, frame.Data)
		}
	case *http2.GoAwayFrame:
		return io.EOF
	}
	return nil
}

func valuesOf(headers *http2.MetaHeadersFrame, name string) string {
	var values []string
	for _, field := range headers.RegularFields() {
		if field.Name == name {
			values = append(values, field.Value)
		}
	}
	return strings.Join(values, " and ")
}
