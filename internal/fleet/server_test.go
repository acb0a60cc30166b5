package fleet

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// redisServer is a real one, on a port of its own.
type redisServer struct {
	t       *testing.T
	address string
	folder  string
	process *exec.Cmd
}

func startRedis(t *testing.T, options ...string) *redisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("redis-server is missing: install it (Debian: apt-get install redis-server)")
		}
		t.Skip("redis-server is not installed")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &redisServer{t: t, address: listener.Addr().String(), folder: t.TempDir()}
	_ = listener.Close()
	s.start(options...)
	t.Cleanup(s.stop)
	return s
}

func (s *redisServer) start(options ...string) {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.address)
	s.process = exec.Command("redis-server", append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", s.folder}, options...)...)
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if connection, err := net.Dial("tcp", s.address); err == nil {
			_ = connection.Close()
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatal("redis-server does not listen after 20 s")
		}
	}
}

func (s *redisServer) stop() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

// do runs a command as redis-cli would, and returns the reply's text.
func (s *redisServer) do(words ...string) string {
	s.t.Helper()
	connection, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	defer connection.Close()
	if _, err := connection.Write(encodeCommand(words)); err != nil {
		s.t.Fatal(err)
	}
	data, err := readReply(bufio.NewReader(connection))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// send is do for a command whose reply comes too late.
func (s *redisServer) send(words ...string) {
	s.t.Helper()
	connection, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = connection.Close() })
	if _, err := connection.Write(encodeCommand(words)); err != nil {
		s.t.Fatal(err)
	}
}

// readReply reads one as it is on the wire.
func readReply(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadBytes('\n')
	if err != nil || len(line) < 3 {
		return line, err
	}
	count, _ := strconv.Atoi(strings.TrimSpace(string(line[1:])))
	switch line[0] {
	case '$':
		if count < 0 {
			return line, nil
		}
		text := make([]byte, count+2)
		_, err = io.ReadFull(r, text)
		return append(line, text...), err
	case '*':
		for range count {
			element, err := readReply(r)
			if err != nil {
				return nil, err
			}
			line = append(line, element...)
		}
	}
	return line, nil
}

// socketHost is a gateway's client of Redis over a real connection. What comes back is posted to the gateway's loop.
type socketHost struct {
	address string
	post    func(func())

	mu      sync.Mutex
	login   [2]string
	timeout time.Duration
	conn    *socket
}

type socket struct {
	net.Conn
	pending chan func(ok bool, reply []byte)
}

func (h *socketHost) RedisInit(_, username, password string, timeout time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.login, h.timeout = [2]string{username, password}, timeout
	h.conn = nil
	return nil
}

func (h *socketHost) RedisCall(_ string, command []byte, done func(bool, []byte)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var once sync.Once
	tell := func(ok bool, reply []byte) { once.Do(func() { h.post(func() { done(ok, reply) }) }) }
	if h.conn == nil && !h.connect() {
		tell(false, nil)
		return nil
	}
	conn := h.conn
	time.AfterFunc(h.timeout, func() { tell(false, nil) })
	conn.pending <- tell
	if _, err := conn.Write(command); err != nil {
		h.conn = nil
		_ = conn.Close()
	}
	return nil
}

func (h *socketHost) connect() bool {
	connection, err := net.DialTimeout("tcp", h.address, h.timeout)
	if err != nil {
		return false
	}
	h.conn = &socket{connection, make(chan func(bool, []byte), 10_000)}
	if h.login[1] != "" {
		login := []string{"AUTH", h.login[1]}
		if h.login[0] != "" {
			login = []string{"AUTH", h.login[0], h.login[1]}
		}
		h.conn.pending <- func(bool, []byte) {}
		_, _ = connection.Write(encodeCommand(login))
	}
	go h.read(h.conn)
	return true
}

func (h *socketHost) read(s *socket) {
	r := bufio.NewReader(s)
	for {
		reply, err := readReply(r)
		if err != nil {
			h.mu.Lock()
			if h.conn == s {
				h.conn = nil
			}
			h.mu.Unlock()
			_ = s.Close()
			for len(s.pending) > 0 {
				(<-s.pending)(false, nil)
			}
			return
		}
		(<-s.pending)(true, reply)
	}
}

func (s *redisServer) String() string { return fmt.Sprintf("redis-server at %s", s.address) }
