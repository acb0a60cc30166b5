package faults

import (
	"bufio"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// tokenService is the token service of one rule, on sockets of its own: it can do what
// net/http would not.
type tokenService struct {
	rule    *rule
	ledger  *ledger
	address string
	seed    uint64
	number  atomic.Int64 // of calls, which chooses what becomes of each
	tokens  atomic.Int64
	healthy atomic.Bool // only good answers from now on

	mu          sync.Mutex // guards all below
	listener    net.Listener
	connections map[net.Conn]bool
	group       sync.WaitGroup
}

// startTokenService listens on a port below those that the system lends to outgoing
// connections, where it can come back after it was away.
func startTokenService(t testing.TB, r *rule, l *ledger, seed uint64) *tokenService {
	t.Helper()
	s := &tokenService{rule: r, ledger: l, seed: seed, connections: map[net.Conn]bool{}}
	for range 100 {
		s.address = net.JoinHostPort("127.0.0.1", strconv.Itoa(20_000+rand.IntN(10_000)))
		if s.listen() == nil {
			t.Cleanup(s.stop)
			return s
		}
	}
	t.Fatal("no free port for a token service")
	return nil
}

func (s *tokenService) listen() error {
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.listener = listener
	s.mu.Unlock()
	s.group.Add(1)
	go s.accept(listener)
	return nil
}

func (s *tokenService) accept(listener net.Listener) {
	defer s.group.Done()
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.connections[connection] = true
		s.mu.Unlock()
		s.group.Add(1)
		go s.serve(connection)
	}
}

// goAway refuses connections for a while and cuts those that are open.
func (s *tokenService) goAway(duration time.Duration) error {
	from := time.Now()
	s.close()
	time.Sleep(duration)
	err := s.listen()
	for tries := 0; err != nil && tries < 100; tries++ {
		time.Sleep(20 * time.Millisecond)
		err = s.listen()
	}
	s.ledger.cut(s.rule, span{from, time.Now()})
	return err
}

func (s *tokenService) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener.Close()
	for connection := range s.connections {
		reset(connection)
	}
}

func (s *tokenService) stop() {
	s.close()
	s.group.Wait()
}

// reset closes a connection with a RST.
func reset(connection net.Conn) {
	_ = connection.(*net.TCPConn).SetLinger(0)
	connection.Close()
}

// serve answers one call after the other until a connection is closed.
func (s *tokenService) serve(connection net.Conn) {
	defer s.group.Done()
	defer func() {
		s.mu.Lock()
		delete(s.connections, connection)
		s.mu.Unlock()
		connection.Close()
	}()
	reader := bufio.NewReaderSize(connection, 64<<10)
	for {
		received, err := readCall(reader)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !isReset(err) {
				s.ledger.violate("a call that can't be read", "%s: %v", s.rule.name, err)
			}
			return
		}
		c := s.conversation(connection, received)
		s.ledger.received(c.call)
		stays := c.call.fault.serve(c)
		s.ledger.change(func() { c.call.endedAt = time.Now() })
		if !stays {
			return
		}
	}
}

func isReset(err error) bool {
	var operation *net.OpError
	return errors.As(err, &operation)
}

// conversation chooses what becomes of a call: by the seed and its number, so that a run
// with the same seed has the same faults in the same order.
func (s *tokenService) conversation(connection net.Conn, received receivedCall) *conversation {
	random := rand.New(rand.NewPCG(s.seed, hashOf(s.rule.name)+uint64(s.number.Add(1))))
	c := &conversation{service: s, connection: connection, random: random}
	c.call = &call{rule: s.rule, key: received.key(s.rule)}
	c.call.fault = chooseFault(s.rule, random, s.healthy.Load())
	return c
}

func hashOf(name string) uint64 {
	sum := uint64(14695981039346656037) // FNV-1a
	for i := range len(name) {
		sum = (sum ^ uint64(name[i])) * 1099511628211
	}
	return sum
}

// receivedCall is a call as it was on the wire.
type receivedCall struct {
	path    string
	headers map[string][]string // by lower-case names
	body    string
}

// readCall reads one HTTP/1.1 request with or without a Content-Length.
func readCall(reader *bufio.Reader) (receivedCall, error) {
	line, err := reader.ReadString('\n')
	if err != nil {
		return receivedCall{}, err
	}
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return receivedCall{}, errors.New("first line " + strconv.Quote(line))
	}
	received := receivedCall{path: fields[1], headers: map[string][]string{}}
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return receivedCall{}, err
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		name = strings.ToLower(name)
		received.headers[name] = append(received.headers[name], strings.TrimSpace(value))
	}
	body := make([]byte, received.length())
	_, err = io.ReadFull(reader, body)
	received.body = string(body)
	return received, err
}

func (r receivedCall) length() int {
	for _, value := range r.headers["content-length"] {
		length, err := strconv.Atoi(value)
		if err == nil {
			return length
		}
	}
	return 0
}

// key names whose token the call is for.
func (r receivedCall) key(of *rule) string {
	switch {
	case of.exchange:
		form, err := url.ParseQuery(r.body)
		if err != nil {
			return "no form"
		}
		return form.Get("subject_token")
	case of.keyedBy != "":
		return strings.Join(r.headers[strings.ToLower(of.keyedBy)], ", ")
	default:
		return ""
	}
}
