//go:build redis

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/higress-group/wasm-go/pkg/test"

	"token-fetch/internal/redistest"
)

// Each gateway of the fleet test is a separate process, because the emulator keeps state per process. It reads names of tokens
// from its standard input, one line per request, and answers with the token or the reason why there is none.

// The environment of such a process.
const (
	gatewayRedis   = "FLEET_GATEWAY_REDIS" // address of Redis; set in a gateway's process only
	gatewayService = "FLEET_GATEWAY_SERVICE"
	gatewayConfig  = "FLEET_GATEWAY_CONFIG"
)

func init() {
	runGateway = func() bool {
		if os.Getenv(gatewayRedis) == "" {
			return false
		}
		log.SetOutput(io.Discard) // what the emulator says of each call
		g, err := newEmulatedGateway()
		if err != nil {
			fmt.Println(err)
			return true
		}
		fmt.Println("ready")
		g.serve()
		return true
	}
}

// emulatedGateway is the plugin in the SDK's emulator, which calls a real token service and a real Redis.
type emulatedGateway struct {
	host    test.TestHost
	redis   *redistest.Client
	service string
	events  chan func()
	begun   map[string]bool // calls that have been made
}

func newEmulatedGateway() (*emulatedGateway, error) {
	host, status := test.NewTestHost(json.RawMessage(os.Getenv(gatewayConfig)))
	if status != types.OnPluginStartStatusOK {
		return nil, fmt.Errorf("the plugin does not start: %q", host.GetErrorLogs())
	}
	return &emulatedGateway{
		host: host, service: os.Getenv(gatewayService),
		redis:  redistest.NewClient(os.Getenv(gatewayRedis), "", "", 2*time.Second),
		events: make(chan func(), 1000), begun: map[string]bool{},
	}, nil
}

// serve answers the lines, and has the plugin's timer run, also while there are none.
func (g *emulatedGateway) serve() {
	lines := make(chan string)
	go func() {
		for scanner := bufio.NewScanner(os.Stdin); scanner.Scan(); {
			lines <- scanner.Text()
		}
		close(lines)
	}()
	ticker := time.NewTicker(tickPeriod)
	defer ticker.Stop()
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				return
			}
			fmt.Println(g.ask(line))
		case event := <-g.events:
			event()
		case <-ticker.C:
			g.host.Tick()
			g.makeCalls()
		}
	}
}

// ask sends a request through the gateway that needs the token of that name.
func (g *emulatedGateway) ask(name string) string {
	id := g.host.InitializeHttpContext()
	defer g.host.CompleteHttpContext(id)
	g.host.CallOnRequestHeaders(id, [][2]string{{":authority", name + ".com"}, {":path", "/"}, {":method", "GET"}}, true)
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for began := time.Now(); ; {
		if reply := g.host.GetSentLocalResponse(id); reply != nil {
			return fmt.Sprintf("denied %d %s", reply.StatusCode, g.host.GetErrorLogs())
		}
		if g.host.GetCurrentHttpStreamAction(id) == types.ActionContinue {
			token, _ := test.GetHeaderValue(g.host.GetCurrentRequestHeaders(id), "x-token")
			return "token " + token
		}
		if time.Since(began) > 20*time.Second {
			return "hung for 20 s"
		}
		g.makeCalls()
		select {
		case event := <-g.events:
			event()
		case <-ticker.C:
			g.host.Tick()
		}
	}
}

func (g *emulatedGateway) makeCalls() {
	for _, call := range g.host.GetRedisCalloutAttributesFromContext(rootContext) {
		if g.isNew("redis", call.CalloutID) {
			g.redis.Call(call.Query, func(ok bool, reply []byte) {
				status := int32(0)
				if !ok {
					status = 1
				}
				g.events <- func() { g.host.CallOnRedisCallResponse(call.CalloutID, status, reply) }
			})
		}
	}
	for _, call := range g.host.GetCalloutAttributesFromContext(rootContext) {
		if g.isNew("http", call.CalloutID) {
			path, _ := test.GetHeaderValue(call.Headers, ":path")
			go g.callService(call.CalloutID, path)
		}
	}
}

func (g *emulatedGateway) isNew(kind string, id uint32) bool {
	key := fmt.Sprint(kind, id)
	isNew := !g.begun[key]
	g.begun[key] = true
	return isNew
}

// callService is the host's HTTP call with its timeout.
func (g *emulatedGateway) callService(id uint32, path string) {
	ctx, cancel := context.WithTimeout(context.Background(), fleetTimeout)
	defer cancel()
	headers, body := [][2]string(nil), []byte(nil)
	request, _ := http.NewRequestWithContext(ctx, http.MethodGet, g.service+path, nil)
	if response, err := http.DefaultClient.Do(request); err == nil {
		body, _ = io.ReadAll(response.Body)
		_ = response.Body.Close()
		headers = [][2]string{{":status", fmt.Sprint(response.StatusCode)}}
		for name, values := range response.Header {
			headers = append(headers, [2]string{strings.ToLower(name), values[0]})
		}
	}
	g.events <- func() { g.host.CallOnHttpCallResponse(id, headers, nil, body) }
}
