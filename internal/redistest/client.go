package redistest

import (
	"bufio"
	"net"
	"sync"
	"time"
)

// Client is a gateway's client of Redis, over a real connection: it connects at the first command, says again who it is on
// each new connection, and gives up after the timeout.
type Client struct {
	address            string
	username, password string
	timeout            time.Duration

	mu         sync.Mutex
	connection *connection
}

type connection struct {
	net.Conn
	pending chan told // of the commands that wait for a reply, in their order
}

type told = func(ok bool, reply []byte)

// NewClient returns one that is not yet connected.
func NewClient(address, username, password string, timeout time.Duration) *Client {
	return &Client{address: address, username: username, password: password, timeout: timeout}
}

// Call sends a command as it is on the wire. done is told once, from another goroutine: false when there is no reply
// in time.
func (c *Client) Call(command []byte, done func(ok bool, reply []byte)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var once sync.Once
	tell := func(ok bool, reply []byte) { once.Do(func() { done(ok, reply) }) }
	if c.connection == nil && !c.connect() {
		go tell(false, nil)
		return
	}
	time.AfterFunc(c.timeout, func() { tell(false, nil) })
	c.connection.pending <- tell
	if _, err := c.connection.Write(command); err != nil {
		_ = c.connection.Close()
		c.connection = nil
	}
}

// maxPending is more commands than any test sends without a reply.
const maxPending = 10_000

func (c *Client) connect() bool {
	dialed, err := net.DialTimeout("tcp", c.address, c.timeout)
	if err != nil {
		return false
	}
	c.connection = &connection{dialed, make(chan told, maxPending)}
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
			c.broken(from)
			return
		}
		(<-from.pending)(true, reply)
	}
}

func (c *Client) broken(it *connection) {
	c.mu.Lock()
	if c.connection == it {
		c.connection = nil
	}
	c.mu.Unlock()
	_ = it.Close()
	for len(it.pending) > 0 {
		(<-it.pending)(false, nil)
	}
}
