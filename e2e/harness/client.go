package harness

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Answer is what a client got from the gateway.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

const requestTimeout = 30 * time.Second

// clients are made when first asked for.
type clients struct {
	mu    sync.Mutex // guards the clients
	http1 *http.Client
	http2 *http.Client
}

// Client speaks HTTP/1.1 with the gateway and keeps its connections open.
func (g *Gateway) Client() *http.Client {
	return g.clients.get(&g.clients.http1, (*http.Protocols).SetHTTP1)
}

// HTTP2Client speaks HTTP/2 with the gateway, without TLS and without an upgrade.
func (g *Gateway) HTTP2Client() *http.Client {
	return g.clients.get(&g.clients.http2, (*http.Protocols).SetUnencryptedHTTP2)
}

func (c *clients) get(client **http.Client, enable func(*http.Protocols, bool)) *http.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *client == nil {
		protocols := new(http.Protocols)
		enable(protocols, true)
		*client = &http.Client{
			Transport: &http.Transport{
				Protocols:           protocols,
				MaxIdleConnsPerHost: 1000,
				// It would send an Accept-Encoding that the test did not ask for.
				DisableCompression: true,
				// A request that expects 100-continue waits for it as long as for an answer.
				ExpectContinueTimeout: requestTimeout,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			// A request that the plugin never resumes fails its test with a clear error.
			Timeout: requestTimeout,
		}
	}
	return *client
}

func (c *clients) closeIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, client := range []*http.Client{c.http1, c.http2} {
		if client != nil {
			client.CloseIdleConnections()
		}
	}
}

// Get sends a GET with headers given as "Name: value".
func (g *Gateway) Get(t testing.TB, path string, headers ...string) Answer {
	t.Helper()
	return g.Do(t, g.Request(t, http.MethodGet, path, "", headers...))
}

// Post sends a POST with a body and headers given as "Name: value".
func (g *Gateway) Post(t testing.TB, path, body string, headers ...string) Answer {
	t.Helper()
	return g.Do(t, g.Request(t, http.MethodPost, path, body, headers...))
}

// Request makes a request to the gateway with headers given as "Name: value"; a
// name may come more than once, and Host sets the request's authority.
func (g *Gateway) Request(t testing.TB, method, path, body string, headers ...string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, g.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range headers {
		name, value, found := strings.Cut(header, ":")
		if !found {
			t.Fatalf("header %q has no colon", header)
		}
		value = strings.TrimSpace(value)
		if strings.EqualFold(name, "Host") {
			request.Host = value
			continue
		}
		request.Header.Add(name, value)
	}
	return request
}

// Do sends a request over HTTP/1.1.
func (g *Gateway) Do(t testing.TB, request *http.Request) Answer {
	t.Helper()
	answer, err := Send(g.Client(), request)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// Send sends a request and reads its answer. Unlike Do it may be called from any goroutine.
func Send(client *http.Client, request *http.Request) (Answer, error) {
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return Answer{Status: response.StatusCode, Header: response.Header, Body: string(body)}, err
}
