package share

import (
	"bytes"
	"errors"
	"strconv"
	"time"
)

// Host is the gateway's client of Redis. Only the Higress host has one.
type Host interface {
	// RedisInit makes the client; it connects when the first call is made.
	RedisInit(cluster, username, password string, timeout time.Duration) error
	// RedisCall sends a command. done is told once, in the root context, whether there was a reply, and which, unless
	// RedisCall returns an error. Of a reply that is longer than MaxReply, the rest may be missing.
	RedisCall(cluster string, command []byte, done func(ok bool, reply []byte)) error
}

// Client runs scripts by the gateway's client of Redis. wasm-go has one, too, but it writes commands and replies into the
// log, and so tokens.
type Client struct {
	Host    Host
	Cluster string // the gateway's name for it
	Address Address

	isReady bool
}

// Address is how Redis is reached beside the cluster.
type Address struct {
	Username, Password string
	Database           int
	Timeout            time.Duration
}

var (
	_ Scripts = (*Client)(nil)

	errUnreachable = errors.New("can't be reached, or did not answer in time")
	errNoReply     = errors.New("answered with something that is not a reply to a script")
)

// Eval runs a script. The whole of it is sent each time: it is asked for only when a token must be fetched, and Redis keeps
// no script over a restart.
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
		c.isReady = err == nil // it may have been restarted, or have another password by now: the next call says it again
		done(reply, err)
	})
}

func (c *Client) init() error {
	if c.isReady {
		return nil
	}
	// As Higress takes what belongs to the connection and has no parameter of its own. Nothing is held back to be sent
	// with later commands.
	cluster := c.Cluster + "?buffer_flush_timeout=0&max_buffer_size_before_flush=0"
	if c.Address.Database != 0 {
		cluster += "&db=" + strconv.Itoa(c.Address.Database)
	}
	if err := c.Host.RedisInit(cluster, c.Address.Username, c.Address.Password, c.Address.Timeout); err != nil {
		return errUnreachable
	}
	c.isReady = true
	return nil
}

// redisError is an error that Redis has answered with. Its text could repeat what it was sent, and is not told: but for its
// first word, which says what kind it is.
type redisError struct{ kind string }

func (e *redisError) Error() string { return "answered with the error " + e.kind }

// encodeCommand writes a command as Redis reads it (RESP).
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

// MaxReply is more than a script can return with a record that is one.
const MaxReply = maxRecord + 1024

// decodeReply takes what a script can return, a text, and errors. Anything else is not from one.
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

// errorKind is the first word of an error, such as OOM, if it is one.
func errorKind(text []byte) string {
	if bytes.Contains(text, []byte("unauthenticated")) {
		return "NOAUTH" // what it has for clients of whom it does not know a thing and that send much
	}
	word, _, _ := bytes.Cut(text, []byte(" "))
	if len(word) == 0 || len(word) > 20 || len(bytes.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")) > 0 {
		return "of an unknown kind"
	}
	return string(word)
}
