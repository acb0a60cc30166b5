package share

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"token-fetch/internal/cache"
	"token-fetch/internal/redistest"
	"token-fetch/internal/token"
)

// service is a token service for the whole fleet.
type service struct {
	calls    atomic.Int64
	lifetime time.Duration
	takes    time.Duration
	failing  atomic.Bool
}

// gateway is a worker of one: a loop that runs one callback after the other.
type gateway struct {
	events  chan func()
	stopped chan struct{}
	once    sync.Once
	cache   *cache.Cache
	source  *Source
	service *service
	offset  time.Duration // of its wall clock
	start   time.Time

	mu    sync.Mutex
	lines []string
}

func (g *gateway) Monotonic() time.Duration { return time.Since(g.start) + g.offset*7 } // clocks that count from other starts
func (g *gateway) Wall() time.Time          { return time.Now().Add(g.offset) }

func (g *gateway) RedisFailed(err error) { g.log("failed: " + err.Error()) }
func (g *gateway) RedisRecovered()       {}

func (g *gateway) log(line string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lines = append(g.lines, line)
}

// Fetch is the token call of this gateway.
func (g *gateway) Fetch(_ token.Query, tell func(token.Token, *token.Error)) {
	sentAt := g.Monotonic()
	done := func(r result) {
		r.Token.Age = g.Monotonic() - sentAt
		tell(r.Token, r.Err)
	}
	number := g.service.calls.Add(1)
	time.AfterFunc(g.service.takes, func() {
		g.post(func() {
			if g.service.failing.Load() {
				done(result{Err: &token.Error{Reason: token.ServerError, Detail: "down"}})
				return
			}
			done(result{Token: token.Token{Values: []string{"token-" + strconv.FormatInt(number, 10)}, Lifetime: g.service.lifetime}})
		})
	})
}

func (g *gateway) post(event func()) {
	select {
	case g.events <- event:
	case <-g.stopped:
	}
}

func (g *gateway) run() {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-g.stopped:
			return
		case event := <-g.events:
			event()
		case <-ticker.C:
			now := g.Monotonic()
			g.cache.Tick(now, g.Wall())
			g.source.Tick(now, cache.BatchSize)
		}
	}
}

// stop is what a gateway does that is killed.
func (g *gateway) stop() { g.once.Do(func() { close(g.stopped) }) }

// socketHost is the host's client of Redis. What comes back is a callback of the gateway.
type socketHost struct {
	address string
	gateway *gateway
	client  *redistest.Client
}

func (h *socketHost) RedisInit(_, username, password string, timeout time.Duration) error {
	h.client = redistest.NewClient(h.address, username, password, timeout)
	return nil
}

func (h *socketHost) RedisCall(_ string, command []byte, done func(bool, []byte)) error {
	h.client.Call(command, func(ok bool, reply []byte) { h.gateway.post(func() { done(ok, reply) }) })
	return nil
}

const (
	// realTimeout is that of fleets with a real Redis: long enough for a machine that is busy.
	realTimeout      = 3 * time.Second
	realRedisTimeout = 2 * time.Second
)

type fleetOptions struct {
	gateways int
	address  Connection
	key      string
	service  *service
}

func startFleet(t *testing.T, redis string, o fleetOptions) []*gateway {
	t.Helper()
	var fleet []*gateway
	for number := range o.gateways {
		g := newGateway()
		g.service, g.offset = o.service, time.Duration(number)*5*time.Minute
		policy := &cache.Policy{RefreshBefore: 0, Backoff: 200 * time.Millisecond, MaxEntries: 10, MaxWaiting: 1000}
		address := o.address
		address.Timeout = realRedisTimeout
		g.source = New(g.redis(t, redis, address, "test:", o.key), g, Options{
			Clock: g, Identity: token.Key{1}, Backoff: policy.Backoff,
			Lease: realTimeout / 2, FetchTimeout: realTimeout, PeerTimeout: realTimeout, PollInterval: 20 * time.Millisecond,
			EarliestRenewal: func(time.Duration) time.Duration { return 0 }, Wake: func() {},
		})
		var scheduler *cache.Scheduler
		scheduler = cache.NewScheduler(func() { go g.post(func() { turn(scheduler) }) })
		worker := cache.Deps{
			Clock: g, Scheduler: scheduler, Memory: &cache.Memory{}, Stats: &cache.Stats{},
			OnPanic: func(cause any) { t.Errorf("panic: %v", cause) },
		}
		g.cache = cache.New(policy, g.source, worker)
		go g.run()
		t.Cleanup(g.stop)
		fleet = append(fleet, g)
	}
	return fleet
}

func newGateway() *gateway {
	return &gateway{events: make(chan func(), 1000), stopped: make(chan struct{}), start: time.Now()}
}

// redis is the gateway's store in a real Redis.
func (g *gateway) redis(t *testing.T, at string, address Connection, prefix, key string) *Redis {
	t.Helper()
	r := &Redis{
		Scripts: &Client{Host: &socketHost{address: at, gateway: g}, Cluster: "redis", Connection: address},
		Clock:   g, Log: g, Prefix: prefix, Values: 1, IsHeaderValue: isPrintable,
	}
	if key != "" {
		r.Sealer = mustSealer(t, key)
	}
	return r
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

func turn(b *cache.Scheduler) {
	for b.RunBatch() {
	}
}

// answer is what a request got.
type answer struct {
	token string
	err   error
	took  time.Duration
}

type waiter struct{ answers chan answer }

func (w waiter) Proceed(t *token.Token) { w.answers <- answer{token: t.Values[0]} }
func (w waiter) Fail(err *token.Error)  { w.answers <- answer{err: err} }

// ask makes a request that needs a token.
func (g *gateway) ask() answer {
	began := time.Now()
	w := waiter{make(chan answer, 1)}
	g.post(func() {
		_, reply := g.cache.Ask(nil, w)
		switch {
		case reply.Token != nil:
			w.Proceed(reply.Token)
		case !reply.Waiting:
			w.Fail(reply.Err)
		}
	})
	select {
	case a := <-w.answers:
		a.took = time.Since(began)
		return a
	case <-g.stopped:
		return answer{err: errors.New("killed")}
	case <-time.After(30 * time.Second):
		return answer{err: errors.New("hung for 30 s")}
	}
}

// askAll has each gateway make a request at once.
func askAll(fleet []*gateway) []answer {
	answers := make([]answer, len(fleet))
	var group sync.WaitGroup
	for i, g := range fleet {
		group.Add(1)
		go func() {
			defer group.Done()
			answers[i] = g.ask()
		}()
	}
	group.Wait()
	return answers
}

// checkAnswers checks that all have the same token.
func checkAnswers(t *testing.T, answers []answer) {
	t.Helper()
	for number, a := range answers {
		if a.err != nil || a.token != answers[0].token {
			t.Errorf("gateway %d: got %q and the error %v, expected the token %q of the others", number, a.token, a.err, answers[0].token)
		}
	}
}

const testKey = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
