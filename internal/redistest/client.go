package redistest

import (
	"bufio"
	"net"
	"sync"
	"time"
)

// Client mimics a gateway's Redis client over a real connection: it connects on the first command, authenticates on
// each new connection, and applies a timeout.
type Client struct {
	address            string
	username, password string
	timeout            time.Duration

	mu         sync.Mutex
	connection *connection
}

type connection struct {
	net.Conn
	pending chan callback // of the commands in flight, in order
}

type callback = func(ok bool, reply []byte)

// NewClient returns a client that is not connected yet.
func NewClient(address, username, password string, timeout time.Duration) *Client {
	return &Client{address: address, username: username, password: password, timeout: timeout}
}

// Call sends an encoded command. done is called once, from another goroutine; ok is false if there is no reply in time.
func (c *Client) Call(command []byte, done func(ok bool, reply []byte)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var once sync.Once
	answer := func(ok bool, reply []byte) { once.Do(func() { done(ok, reply) }) }
	if c.connection == nil && !c.connect() {
		go answer(false, nil)
		return
	}
	time.AfterFunc(c.timeout, func() { answer(false, nil) })
	c.connection.pending <- answer
	if _, err := c.connection.Write(command); err != nil {
		_ = c.connection.Close()
		c.connection = nil
	}
}

// maxPending exceeds the number of commands that any test has in flight.
const maxPending = 10_000

func (c *Client) connect() bool {
	dialed, err := net.DialTimeout("tcp", c.address, c.timeout)
	if err != nil {
		return false
	}
	c.connection = &connection{dialed, make(chan callback, maxPending)}
	if c.password != "" {
		login := []string{"AUTH", c.username, c.password}
		if c.username == "" {
			login = []string{"AUTH", c.password}
		}
		c.connection.pending <- func(bool, []byte) {}
		_, _ = dialed.Write(Encode(login))
	}
	go c.read(c.connection)
	return true
}

func (c *Client) read(from *connection) {
	r := bufio.NewReader(from)
	for {
		reply, err := readReply(r)
		if err != nil {
			c.onError(from)
			return
		}
		(<-from.pending)(true, reply)
	}
}

func (c *Client) onError(from *connection) {
	c.mu.Lock()
	if c.connection == from {
		c.connection = nil
	}
	c.mu.Unlock()
	_ = from.Close()
	for len(from.pending) > 0 {
		(<-from.pending)(false, nil)
	}
}
