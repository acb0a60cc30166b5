//go:build istio

package istio_test

import (
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// answer is what came of a request.
type answer struct {
	status int
	token  string // that the upstream received
	err    error
}

// get sends a request with a forged token.
func (a *agent) get(host string) answer {
	request, err := http.NewRequest(http.MethodGet, a.url, nil)
	if err != nil {
		return answer{err: err}
	}
	request.Host = host
	request.Header.Set("Authorization", "forged")
	response, err := client.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, string(body), err}
}

var client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}

// load are requests at a steady rate, whether or not earlier ones have been answered.
type load struct {
	stop    chan struct{}
	group   sync.WaitGroup
	mu      sync.Mutex // guards the answers
	answers []answer
}

func (a *agent) startLoad(host string, rate int) *load {
	l := &load{stop: make(chan struct{})}
	l.group.Go(func() {
		ticker := time.NewTicker(time.Second / time.Duration(rate))
		defer ticker.Stop()
		for {
			select {
			case <-l.stop:
				return
			case <-ticker.C:
				l.group.Go(func() {
					got := a.get(host)
					l.mu.Lock()
					defer l.mu.Unlock()
					l.answers = append(l.answers, got)
				})
			}
		}
	})
	return l
}

// end stops the requests and returns the answers to all.
func (l *load) end() []answer {
	close(l.stop)
	l.group.Wait()
	return l.answers
}

// await returns after how long a condition held.
func await(t *testing.T, limit time.Duration, what string, holds func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !holds() {
		if time.Since(start) > limit {
			t.Fatalf("not within %s: %s", limit, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(start)
}
