package load

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// plain is an HTTP/1.1 connection for one request after the other.
type plain struct {
	net.Conn
	writer  *bufio.Writer
	numbers chan int // of requests without an answer
}

// openPlain opens one with HTTP/1.1.
func openPlain(t *testing.T, gateway *harness.Gateway, answered func(int, harness.StreamAnswer)) connection {
	t.Helper()
	opened, err := net.Dial("tcp", strings.TrimPrefix(gateway.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	p := &plain{Conn: opened, writer: bufio.NewWriterSize(opened, 512), numbers: make(chan int, 1)}
	go p.read(answered)
	return p
}

func (p *plain) Send(number int, host, path string, headers ...string) error {
	p.numbers <- number
	_, err := fmt.Fprintf(p.writer, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", path, host, strings.Join(append(headers, ""), "\r\n"))
	return err
}

func (p *plain) Flush() error { return p.writer.Flush() }

// read ends with the connection.
func (p *plain) read(answered func(int, harness.StreamAnswer)) {
	reader := bufio.NewReaderSize(p, 512)
	for {
		answer, err := readAnswer(reader)
		select {
		case number := <-p.numbers:
			answered(number, answer)
		default: // closed between two requests
		}
		if err != nil {
			return
		}
	}
}

func readAnswer(reader *bufio.Reader) (harness.StreamAnswer, error) {
	_, err := reader.Peek(1)
	answer := harness.StreamAnswer{Time: time.Now()}
	if err != nil {
		return answer, err
	}
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return answer, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil {
		answer.Status, answer.Body, answer.Details = response.StatusCode, string(body), response.Header.Get(harness.DetailsHeader)
	}
	return answer, err
}
