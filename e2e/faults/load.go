package faults

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"token-fetch/e2e/harness"
)

// rate is how many requests the clients send a second, all together.
const rate = 500

// load sends requests at a steady rate, whether or not earlier ones have been answered.
type load struct {
	gateway *harness.Gateway
	ledger  *ledger
	rules   []*rule
	alone   http.RoundTripper // over a connection of its own for each request
}

// run sends for that long, and returns when the last has been answered.
func (l *load) run(duration time.Duration) {
	count, weight := 0, 0
	for _, c := range allClients {
		count, weight = count+c.weight*max(1, c.requests), weight+c.weight
	}
	harness.Load(rate*weight/count, duration, func(int) struct{} {
		c := choose(allClients, func(c *client) int { return c.weight })
		r := choose(l.rules, func(r *rule) int { return r.share })
		requests := make([]*request, max(1, c.requests))
		for i := range requests {
			requests[i] = l.newRequest(r, c)
		}
		c.send(l, requests)
		return struct{}{}
	})
}

func (l *load) newRequest(r *rule, c *client) *request {
	entry := &request{rule: r, client: c}
	switch {
	case r.exchange:
		entry.subject = newSubject()
		entry.key = entry.subject.token()
	case r.keyedBy == tenantHeader:
		entry.key = fmt.Sprintf("tenant-%d", rand.IntN(15))
	}
	return l.ledger.newRequest(entry)
}

// path leads to the upstream that speaks HTTP/2, or the one that doesn't.
func (r *request) path() string {
	if r.client.http2 {
		return "/a/faults"
	}
	return "/faults"
}

// http is a request with all that the rule needs, and every second time a forged token.
func (l *load) http(r *request, method string, body io.Reader) *http.Request {
	request, err := http.NewRequest(method, l.gateway.URL+r.path(), body)
	if err != nil {
		panic(err) // the suite's own mistake
	}
	request.Host = r.rule.name
	request.Header.Set(idHeader, fmt.Sprint(r.id))
	switch {
	case r.subject != nil && r.subject.value != "":
		request.Header.Set("Authorization", r.subject.value)
	case r.subject == nil && rand.IntN(2) == 0:
		request.Header.Set(r.rule.header, r.rule.prefix+forgedMark)
	}
	if r.rule.keyedBy == tenantHeader {
		request.Header.Set(tenantHeader, r.key)
	}
	return request
}

// do sends a request and reads its answer. It returns the trailers, and what an upgraded connection is.
func (l *load) do(over http.RoundTripper, r *request, request *http.Request) (trailers http.Header, upgraded io.ReadWriteCloser) {
	l.sending(r)
	response, err := over.RoundTrip(request)
	if err != nil {
		l.failed(r, err)
		return nil, nil
	}
	if upgraded, isUpgraded := response.Body.(io.ReadWriteCloser); isUpgraded {
		l.answered(r, response, "")
		return nil, upgraded
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil && !r.slowBody {
		l.failed(r, err)
		return nil, nil
	}
	l.answered(r, response, string(body))
	return response.Trailer, nil
}

// sending notes that the request is about to be written.
func (l *load) sending(r *request) {
	now := time.Now()
	l.ledger.change(func() { r.sentAt, r.countFrom = now, now })
}

// answered looks at an answer at a glance; what it means is found out afterwards.
func (l *load) answered(r *request, response *http.Response, body string) {
	now, got, text := time.Now(), r.rule.classify(response, body), fmt.Sprintf("%d %.100q %v", response.StatusCode, body, response.Header)
	if strings.Contains(text+body, harness.SecretMark) {
		l.ledger.violate("a secret in an answer", "%s was answered %s", r, text)
	}
	l.ledger.change(func() { r.answeredAt, r.answer, r.detail = now, got, text })
}

// failed notes that there was no answer.
func (l *load) failed(r *request, err error) {
	now := time.Now()
	l.ledger.change(func() {
		r.answeredAt, r.answer, r.detail = now, left, fmt.Sprintf("%v after %s", err, now.Sub(r.countFrom))
	})
}

// grpcStatuses are the HTTP statuses of replies that Envoy has turned into those of gRPC.
var grpcStatuses = map[string]int{"16": http.StatusUnauthorized, "14": http.StatusServiceUnavailable, "2": http.StatusInternalServerError}

// classify tells the answers that the contract knows apart. The upstream's is withoutToken until it is known what it has seen.
func (r *rule) classify(response *http.Response, body string) result {
	status, header := response.StatusCode, response.Header
	if code := header.Get("Grpc-Status"); code != "" {
		status, body = grpcStatuses[code], header.Get("Grpc-Message")
	}
	switch authenticate := header.Get("Www-Authenticate"); {
	case header.Get(reachedHeader) != "":
		return withoutToken
	case status == http.StatusUnauthorized && r.exchange && authenticate == harness.MissingToken:
		return subjectMissing
	case status == http.StatusUnauthorized && r.exchange && authenticate == harness.InvalidToken &&
		(body == "the bearer token was refused" || body == "the bearer token has expired"):
		return subjectRefused
	case status == r.status && body == r.body:
		return denied
	default:
		return wrong
	}
}
