package harness

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// StreamAnswer is the answer to one request on a Streams.
type StreamAnswer struct {
	Status  int // 0: the stream was reset, or the connection ended
	Details string
	Body    string
	Time    time.Time // when the answer began
}

// Streams is one HTTP/2 connection to the gateway, for thousands of concurrent requests.
// It keeps their order, and costs the test much less than
// net/http. Envoy allows 1,024 concurrent streams.
type Streams struct {
	connection net.Conn
	answered   func(number int, answer StreamAnswer)

	mu      sync.Mutex // guards all below, and the framer's writing
	writer  *bufio.Writer
	framer  *http2.Framer
	block   bytes.Buffer
	encoder *hpack.Encoder
	next    uint32                 // id of the next stream
	open    map[uint32]*openStream // those that have no answer yet
	ended   bool                   // the connection takes no more
}

type openStream struct {
	number   int
	isTunnel bool // a CONNECT's, which is answered when it is open
	StreamAnswer
}

// OpenStreams connects to the gateway. For each request answered is called once, and
// never by two goroutines at once.
func (g *Gateway) OpenStreams(t testing.TB, answered func(number int, answer StreamAnswer)) *Streams {
	t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	s := &Streams{connection: connection, answered: answered, next: 1, open: map[uint32]*openStream{}}
	s.writer = bufio.NewWriterSize(connection, 1<<16)
	s.framer = http2.NewFramer(s.writer, bufio.NewReader(connection))
	s.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	s.encoder = hpack.NewEncoder(&s.block)
	_, _ = s.writer.WriteString(http2.ClientPreface)
	err = errors.Join(s.framer.WriteSettings(), s.framer.WriteWindowUpdate(0, 1<<30), s.Flush())
	if err != nil {
		t.Fatal(err)
	}
	go s.read()
	return s
}

// Send puts a GET into the connection's buffer. The number is the caller's own name for it;
// headers are given as "name: value", and host is the authority.
func (s *Streams) Send(number int, host, path string, headers ...string) error {
	fields := [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", host}, {":path", path}}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ":")
		fields = append(fields, [2]string{name, strings.TrimSpace(value)})
	}
	return s.SendFields(number, fields, "")
}

// SendFields puts a request into the buffer whose fields, body and trailers are as they are given.
func (s *Streams) SendFields(number int, fields [][2]string, body string, trailers ...[2]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return io.ErrClosedPipe
	}
	id := s.next
	s.next += 2
	s.open[id] = &openStream{number: number, isTunnel: slices.Contains(fields, [2]string{":method", "CONNECT"})}
	err := s.writeHeaders(id, fields, body == "" && len(trailers) == 0)
	if body != "" && err == nil {
		err = s.framer.WriteData(id, len(trailers) == 0, []byte(body))
	}
	if len(trailers) > 0 && err == nil {
		err = s.writeHeaders(id, trailers, true)
	}
	return err
}

func (s *Streams) writeHeaders(id uint32, fields [][2]string, end bool) error {
	s.block.Reset()
	for _, field := range fields {
		if err := s.encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			return err
		}
	}
	const frame = 1 << 14
	first := s.block.Next(frame)
	err := s.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: first, EndStream: end, EndHeaders: s.block.Len() == 0})
	for s.block.Len() > 0 && err == nil {
		next := s.block.Next(frame)
		err = s.framer.WriteContinuation(id, s.block.Len() == 0, next)
	}
	return err
}

// Flush sends the buffered data.
func (s *Streams) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writer.Flush()
}

// read ends with the connection, and with it all that is open.
func (s *Streams) read() {
	for {
		frame, err := s.framer.ReadFrame()
		if err == nil {
			err = s.take(frame)
		}
		if err != nil {
			break
		}
	}
	s.mu.Lock()
	s.ended = true
	left := s.open
	s.open = nil
	s.mu.Unlock()
	for _, stream := range left {
		s.answered(stream.number, StreamAnswer{Time: time.Now()})
	}
}

func (s *Streams) take(frame http2.Frame) error {
	switch frame := frame.(type) {
	case *http2.MetaHeadersFrame:
		stream := s.stream(frame.StreamID)
		stream.Time = time.Now()
		_, _ = fmt.Sscan(frame.PseudoValue("status"), &stream.Status)
		stream.Details = valuesOf(frame, strings.ToLower(DetailsHeader))
		if frame.StreamEnded() || stream.isTunnel && stream.Status == http.StatusOK {
			s.end(frame.StreamID)
		}
	case *http2.DataFrame:
		s.stream(frame.StreamID).Body += string(frame.Data())
		if frame.StreamEnded() {
			s.end(frame.StreamID)
		}
	case *http2.RSTStreamFrame:
		// After a whole answer there is nothing left to reset.
		s.stream(frame.StreamID).Status = 0
		s.end(frame.StreamID)
	default:
		s.mu.Lock()
		defer s.mu.Unlock()
		return errors.Join(acknowledge(s.framer, frame), s.writer.Flush())
	}
	return nil
}

// stream is a new one where the frame is about a stream that has ended.
func (s *Streams) stream(id uint32) *openStream {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stream, ok := s.open[id]; ok {
		return stream
	}
	return &openStream{}
}

func (s *Streams) end(id uint32) {
	s.mu.Lock()
	stream, ok := s.open[id]
	delete(s.open, id)
	s.mu.Unlock()
	if ok {
		s.answered(stream.number, stream.StreamAnswer)
	}
}
