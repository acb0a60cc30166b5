// Redis-rate-limit lets a number of requests through in each minute, counted in Redis for all gateways together.
package main

import (
	"strconv"
	"time"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/higress-group/wasm-go/pkg/log"
	"github.com/higress-group/wasm-go/pkg/wrapper"
	"github.com/tidwall/resp"
)

func main() {}

func init() {
	wrapper.SetCtx("redis-rate-limit",
		wrapper.ParseConfig(parseConfig),
		wrapper.ProcessRequestHeaders(onRequestHeaders),
		wrapper.ProcessResponseHeaders(onResponseHeaders))
}

const (
	window = time.Minute
	// keyPrefix keeps the counters apart from what others have in the same Redis.
	keyPrefix = "redis-rate-limit:"
	// lifetime of a counter: longer than its window, as the clocks of gateways differ.
	lifetime = 2 * window
)

// The response headers: the window's begin in seconds since 1970, and how many requests are left in it.
const (
	headerWindow = "timeStamp"
	headerLeft   = "callTimeLeft"
)

func onRequestHeaders(ctx wrapper.HttpContext, c config) types.Action {
	r := &request{ctx: ctx, config: c, window: strconv.FormatInt(time.Now().Truncate(window).Unix(), 10)}
	// Both are sent at once, and the second with every request: a counter whose end was lost with a connection gets it with
	// the next request. Only the first decides on this one, so that it is answered once.
	if err := c.redis.Incr(keyPrefix+r.window, r.counted); err != nil {
		r.letPass(err)
		return types.ActionContinue
	}
	if err := c.redis.Expire(keyPrefix+r.window, int(lifetime.Seconds()), func(resp.Value) {}); err != nil {
		c.health.failed(err)
	}
	r.isPaused = true
	return types.HeaderStopAllIterationAndWatermark
}

// request is one on its way through the plugin.
type request struct {
	ctx      wrapper.HttpContext
	config   config
	window   string
	isPaused bool
}

// counted is told the number of requests in this window, this one included. The host tells it exactly once, also when Redis
// does not answer in time.
func (r *request) counted(count resp.Value) {
	if err := count.Error(); err != nil {
		r.letPass(err)
		return
	}
	if count.Type() != resp.Integer || count.IsNull() {
		r.letPass(errNoCount)
		return
	}
	r.config.health.answered()
	left := r.config.qpm - count.Integer()
	if left < 0 {
		r.refuse()
		return
	}
	r.ctx.SetContext(headerWindow, r.window)
	r.ctx.SetContext(headerLeft, strconv.Itoa(left))
	r.goOn()
}

func (r *request) refuse() {
	headers := [][2]string{{headerWindow, r.window}, {headerLeft, "0"}}
	if err := proxywasm.SendHttpResponse(429, headers, []byte("Too many requests"), -1); err != nil {
		log.Errorf("a request can't be answered: %v", err)
	}
}

// letPass is for Redis that can't be asked: better too many requests than none.
func (r *request) letPass(err error) {
	r.config.health.failed(err)
	r.goOn()
}

func (r *request) goOn() {
	if !r.isPaused {
		return // onRequestHeaders has not returned yet
	}
	if err := proxywasm.ResumeHttpRequest(); err != nil {
		log.Errorf("a request can't go on: %v", err)
	}
}

// health has the log say once that Redis can't be asked, and once that it can again.
type health struct{ isFailing bool }

func (h *health) failed(err error) {
	if !h.isFailing {
		log.Errorf("requests are not counted and pass, until Redis can be asked again: %v", err)
	}
	h.isFailing = true
}

func (h *health) answered() {
	if h.isFailing {
		log.Infof("Redis answers again: requests are counted")
	}
	h.isFailing = false
}

func onResponseHeaders(ctx wrapper.HttpContext, _ config) types.Action {
	for _, name := range []string{headerWindow, headerLeft} {
		if value, ok := ctx.GetContext(name).(string); ok {
			if err := proxywasm.ReplaceHttpResponseHeader(name, value); err != nil {
				log.Errorf("a response header can't be set: %v", err)
			}
		}
	}
	return types.ActionContinue
}
