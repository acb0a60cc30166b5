package share

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestDecodeReply(t *testing.T) {
	tests := map[string]struct{ data, text, err string }{
		"a text":               {"$5\r\nhello\r\n", "hello", ""},
		"an empty text":        {"$0\r\n\r\n", "", ""},
		"with line ends":       {"$4\r\na\r\nb\r\n", "a\r\nb", ""},
		"an error":             {"-OOM command not allowed: secret\r\n", "", "answered with the error OOM"},
		"an unknown error":     {"-secret-in-front x\r\n", "", "answered with the error of an unknown kind"},
		"not authenticated":    {"-ERR Protocol error: unauthenticated multibulk length\r\n", "", "answered with the error NOAUTH"},
		"nothing":              {"", "", errNoReply.Error()},
		"null":                 {"$-1\r\n", "", errNoReply.Error()},
		"a number":             {":1\r\n", "", errNoReply.Error()},
		"a list":               {"*1\r\n$1\r\na\r\n", "", errNoReply.Error()},
		"shorter than it says": {"$5\r\nhell\r\n", "", errNoReply.Error()},
		"longer than it says":  {"$5\r\nhello!\r\n", "", errNoReply.Error()},
		"huge":                 {"$2000000\r\n" + strings.Repeat("x", 2_000_000) + "\r\n", "", errNoReply.Error()},
	}
	for name, tt := range tests {
		got, err := decodeReply([]byte(tt.data))
		if got != tt.text || (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
			t.Errorf("%s: got %q and the error %v, expected %q and %q", name, got, err, tt.text, tt.err)
		}
	}
}

// host is one that keeps what it is told.
type host struct {
	inits    []string
	commands []string
	initErr  error
	reply    string
	ok       bool
}

func (h *host) RedisInit(cluster, username, password string, timeout time.Duration) error {
	h.inits = append(h.inits, strings.Join([]string{cluster, username, password, timeout.String()}, " "))
	return h.initErr
}

func (h *host) RedisCall(_ string, command []byte, done func(bool, []byte)) error {
	h.commands = append(h.commands, string(command))
	done(h.ok, []byte(h.reply))
	return nil
}

func TestClient(t *testing.T) {
	h := &host{reply: "$1\r\n1\r\n", ok: true}
	c := &Client{Host: h, Cluster: "outbound|6379||redis.dns", Connection: Connection{"user", "secret", 3, time.Second}}
	eval := func() (err error) {
		var told error
		if err := c.Eval("return '1'", []string{"a", "b"}, []string{"x"}, func(_ string, err error) { told = err }); err != nil {
			return err
		}
		return told
	}
	if err := eval(); err != nil {
		t.Fatal(err)
	}
	if want := "outbound|6379||redis.dns?buffer_flush_timeout=0&max_buffer_size_before_flush=0&db=3 user secret 1s"; len(h.inits) != 1 || h.inits[0] != want {
		t.Errorf("got %q, expected %q", h.inits, want)
	}
	if want := "*6\r\n$4\r\nEVAL\r\n$10\r\nreturn '1'\r\n$1\r\n2\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nx\r\n"; h.commands[0] != want {
		t.Errorf("got %q, expected %q", h.commands[0], want)
	}
	_ = eval()
	if len(h.inits) != 1 {
		t.Errorf("got %d introductions for two calls, expected 1", len(h.inits))
	}
	h.ok = false
	if err := eval(); !errors.Is(err, errUnreachable) {
		t.Errorf("got the error %v, expected %v", err, errUnreachable)
	}
	h.ok, h.reply = true, "-NOAUTH Authentication required.\r\n"
	if err := eval(); err == nil {
		t.Error("got no error, expected NOAUTH")
	}
	before := len(h.inits)
	_ = eval()
	if len(h.inits) != before+1 {
		t.Errorf("got %d introductions after NOAUTH, expected 1", len(h.inits)-before)
	}
	c.isReady, h.initErr = false, errors.New("no such cluster")
	if err := eval(); !errors.Is(err, errUnreachable) {
		t.Errorf("got the error %v, expected %v", err, errUnreachable)
	}
}
