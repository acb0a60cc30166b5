package share

import (
	"bytes"
	"errors"
	"strconv"
	"time"
)

// Host is the gateway's Redis client. Only Higress has one.
type Host interface {
	// RedisInit configures the client, which connects on the first call.
	RedisInit(cluster, username, password string, timeout time.Duration) error
	// RedisCall sends a command. done is called once, in the root context, with the reply if there was one, and not at
	// all if RedisCall returns an error. A reply longer than MaxReply may be truncated.
	RedisCall(cluster string, command []byte, done func(ok bool, reply []byte)) error
}

// Client runs scripts through the gateway's Redis client. wasm-go has a client too, but it logs commands and replies,
// and with them tokens.
type Client struct {
	Host       Host
	Cluster    string // as the gateway names it
	Connection Connection

	isReady bool
}

// Connection holds the connection settings other than the cluster.
type Connection struct {
	Username, Password string
	Database           int
	Timeout            time.Duration
}

var (
	_ Scripts = (*Client)(nil)

	errUnreachable = errors.New("can't be reached, or did not answer in time")
	errNoReply     = errors.New("answered with something that is not a reply to a script")
)

// Eval sends the whole script each time: it is only needed when a token must be fetched, and Redis forgets cached
// scripts on restart.
func (c *Client) Eval(script string, keys, args []string, done func(reply string, err error)) error {
	if err := c.init(); err != nil {
		return err
	}
	command := append([]string{"EVAL", script, strconv.Itoa(len(keys))}, append(keys, args...)...)
	return c.Host.RedisCall(c.Cluster, encodeCommand(command), func(ok bool, data []byte) {
		if !ok {
			done("", errUnreachable)
			return
		}
		reply, err := decodeReply(data)
		c.isReady = err == nil // Redis may have restarted or its password changed: authenticate again on the next call
		done(reply, err)
	})
}

func (c *Client) init() error {
	if c.isReady {
		return nil
	}
	// Higress takes connection settings without parameters of their own as a query string. These two disable command
	// buffering.
	cluster := c.Cluster + "?buffer_flush_timeout=0&max_buffer_size_before_flush=0"
	if c.Connection.Database != 0 {
		cluster += "&db=" + strconv.Itoa(c.Connection.Database)
	}
	if err := c.Host.RedisInit(cluster, c.Connection.Username, c.Connection.Password, c.Connection.Timeout); err != nil {
		return errUnreachable
	}
	c.isReady = true
	return nil
}

// redisError is an error reply. Only its first word, the kind, is kept: the rest may echo what was sent.
type redisError struct{ kind string }

func (e *redisError) Error() string { return "answered with the error " + e.kind }

// encodeCommand encodes a command in RESP.
func encodeCommand(words []string) []byte {
	size := 16
	for _, word := range words {
		size += len(word) + 16
	}
	data := make([]byte, 0, size)
	data = append(strconv.AppendInt(append(data, '*'), int64(len(words)), 10), "\r\n"...)
	for _, word := range words {
		data = append(strconv.AppendInt(append(data, '$'), int64(len(word)), 10), "\r\n"...)
		data = append(append(data, word...), "\r\n"...)
	}
	return data
}

// MaxReply exceeds the longest reply of a script.
const MaxReply = maxRecord + 1024

// decodeReply decodes what a script can return: a bulk string or an error.
func decodeReply(data []byte) (string, error) {
	line, rest, found := bytes.Cut(data, []byte("\r\n"))
	if !found || len(line) == 0 {
		return "", errNoReply
	}
	switch line[0] {
	case '-':
		return "", &redisError{errorKind(line[1:])}
	case '$':
		size, err := strconv.Atoi(string(line[1:]))
		if err != nil || size < 0 || size != len(rest)-len("\r\n") || size > maxRecord {
			return "", errNoReply
		}
		return string(rest[:size]), nil
	default:
		return "", errNoReply
	}
}

// errorKind is the first word of an error, such as OOM, if it looks like one.
func errorKind(text []byte) string {
	if bytes.Contains(text, []byte("unauthenticated")) {
		return "NOAUTH" // Redis's reply to unauthenticated clients that send large commands
	}
	word, _, _ := bytes.Cut(text, []byte(" "))
	if len(word) == 0 || len(word) > 20 || len(bytes.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")) > 0 {
		return "of an unknown kind"
	}
	return string(word)
}
