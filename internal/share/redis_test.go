package share

import (
	"strings"
	"testing"
	"time"

	"token-fetch/internal/redistest"
)

// redisHost is a gateway's worker with a client of a real Redis: the callbacks run while the test lets time pass.
type redisHost struct {
	address string
	client  *redistest.Client
	events  chan func()
	start   time.Time
	lines   []string
}

func (h *redisHost) Monotonic() time.Duration { return time.Since(h.start) }
func (h *redisHost) Wall() time.Time          { return time.Now() }
func (h *redisHost) RedisFailed(err error)    { h.lines = append(h.lines, err.Error()) }
func (h *redisHost) RedisRecovered()          {}

func (h *redisHost) RedisInit(_, username, password string, timeout time.Duration) error {
	h.client = redistest.NewClient(h.address, username, password, timeout)
	return nil
}

func (h *redisHost) RedisCall(_ string, command []byte, done func(bool, []byte)) error {
	h.client.Call(command, func(ok bool, reply []byte) { h.events <- func() { done(ok, reply) } })
	return nil
}

func (h *redisHost) pass(d time.Duration) {
	for timer := time.After(d); ; {
		select {
		case event := <-h.events:
			event()
		case <-timer:
			return
		}
	}
}

// newRedisTest drives a store in the Redis at an address; with a key, tokens are sealed.
func newRedisTest(t *testing.T, address string, connection Connection, prefix, key string) (*storeTest, *redisHost) {
	t.Helper()
	h := &redisHost{address: address, events: make(chan func(), 1000), start: time.Now()}
	store := &Redis{
		Scripts: &Client{Host: h, Cluster: "redis", Connection: connection},
		Clock:   h, Log: h, Prefix: prefix, Values: 1, IsHeaderValue: isPrintable,
	}
	if key != "" {
		store.Sealer = mustSealer(t, key)
	}
	return &storeTest{T: t, store: store, clock: h, pass: h.pass, key: Key{1, 2}, claims: map[uint64]Claim{}}, h
}

func mustSealer(t *testing.T, key string) *Sealer {
	t.Helper()
	sealer, err := NewSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

func isPrintable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}

const testKey = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

// keyAt is one of the keys of the token of newRedisTest, as redis-cli takes it.
func keyAt(number int) string { return (&Redis{Prefix: "test:"}).keys(Key{1, 2})[number-1] }

// Whatever Redis does or has, each of three gateways soon learns that it must call by itself, or one has the lease and the
// others get its token.
func TestRedisFailures(t *testing.T) {
	const alone, shared = "alone alone alone", "leased busy busy"
	has := func(command ...string) func(*redistest.Server) { return func(r *redistest.Server) { r.Do(command...) } }
	hours := []string{"PX", "7200000"}
	tests := map[string]struct {
		options    []string
		connection Connection
		prepare    func(*redistest.Server)
		want       string // of three looks
		log        string // is in the log; empty: there is none
	}{
		"stopped":           {prepare: (*redistest.Server).Stop, want: "error error error", log: "can't be reached"},
		"hanging":           {prepare: func(r *redistest.Server) { r.Send("DEBUG", "SLEEP", "10") }, options: []string{"--enable-debug-command", "yes"}, connection: Connection{Timeout: 300 * time.Millisecond}, want: "error error error", log: "can't be reached"},
		"other password":    {options: []string{"--requirepass", "right"}, connection: Connection{Password: "wrong"}, want: "error error error", log: "NOAUTH"},
		"no password":       {options: []string{"--requirepass", "right"}, want: "error error error", log: "NOAUTH"},
		"right password":    {options: []string{"--requirepass", "right"}, connection: Connection{Password: "right"}, want: shared},
		"out of memory":     {options: []string{"--maxmemory", "100kb", "--maxmemory-policy", "noeviction"}, want: "error error error", log: "OOM"},
		"read-only":         {options: []string{"--min-replicas-to-write", "1"}, want: "error error error", log: "NOREPLICAS"},
		"record of lists":   {prepare: has("RPUSH", keyAt(1), "rubbish"), want: shared},
		"record is junk":    {prepare: has("SET", keyAt(1), "rubbish", "PX", "60000"), want: shared, log: "token-fetch did not write"},
		"junk for ever":     {prepare: has("SET", keyAt(1), "rubbish"), want: shared},
		"huge record":       {prepare: has("SET", keyAt(1), strings.Repeat("x", 2<<20), "PX", "60000"), want: "error error error", log: "not a reply"},
		"lease for ever":    {prepare: has("SET", keyAt(3), "rubbish"), want: shared},
		"lease for hours":   {prepare: has(append([]string{"SET", keyAt(3), "rubbish"}, hours...)...), want: shared},
		"failing for hours": {prepare: has(append([]string{"SET", keyAt(4), "unavailable-1"}, hours...)...), want: alone},
		"failing for ever":  {prepare: has("SET", keyAt(4), "unavailable-1"), want: shared},
		"an unknown word":   {prepare: has("SET", keyAt(4), "rubbish", "PX", "60000"), want: alone},
		"counter is junk":   {prepare: has("SET", keyAt(5), "rubbish"), want: shared},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := redistest.Start(t, test.options...)
			if test.prepare != nil {
				test.prepare(redis)
			}
			if name == "hanging" {
				time.Sleep(50 * time.Millisecond) // until it hangs, which no event tells
			}
			if test.connection.Timeout == 0 {
				test.connection.Timeout = 3 * time.Second // long enough for a machine that is busy
			}
			s, h := newRedisTest(t, redis.Address, test.connection, "test:", "")
			s.expect("three looks", strings.Join([]string{s.look(1, 0, false), s.look(2, 0, false), s.look(3, 0, false)}, " "), test.want)
			if test.want == shared {
				s.save(1, "t1", 7)
				s.expect("after the call", s.look(2, 0, false), "token t1")
			}
			if lines := strings.Join(h.lines, "\n"); !strings.Contains(lines, test.log) || (lines == "") != (test.log == "") {
				t.Errorf("got the log %q, expected %q", lines, test.log)
			}
		})
	}
}

// Redis that was restarted has forgotten everything: the connection breaks at its first use, and the next one works.
func TestRestartedRedis(t *testing.T) {
	redis := redistest.Start(t)
	s, _ := newRedisTest(t, redis.Address, Connection{Timeout: 3 * time.Second}, "test:", "")
	s.look(1, 0, false)
	s.save(1, "t1", 7)
	redis.Stop()
	redis.Restart()
	if got := s.look(2, 0, false); got != "leased" {
		s.expect("after the broken connection", s.look(3, 0, false), "leased")
	}
}

// All that is kept has an end, and is sealed where there is a key.
func TestKeysHaveAnEnd(t *testing.T) {
	redis := redistest.Start(t)
	s, _ := newRedisTest(t, redis.Address, Connection{Timeout: 3 * time.Second}, "test:", testKey)
	s.look(1, 0, false)
	s.fail(1, Failure{Backoff: time.Millisecond})
	s.pass(5 * time.Millisecond)
	s.look(1, 0, false)
	s.save(1, "t1", 7)
	s.expect("who rejects it", s.look(2, 7, true), "leased with t1")
	s.fail(2, Failure{Backoff: time.Minute})
	for number := 1; number <= keysPerToken; number++ {
		if left := redis.Do("PTTL", keyAt(number)); left == ":-1" {
			t.Errorf("key %d: got no end, expected one", number)
		}
	}
	if text := redis.Do("GET", keyAt(1)); text == "$-1" || strings.Contains(text, "t1") {
		t.Errorf("got %q in Redis, expected the token, and sealed", text)
	}
}
