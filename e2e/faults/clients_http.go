package faults

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// What clients do that net/http can do.

func (l *load) overHTTP1() *http.Client { return l.gateway.Client() }
func (l *load) overHTTP2() *http.Client { return l.gateway.HTTP2Client() }

// patience is how long a client waits that does not leave.
const patience = 20 * time.Second

func (l *load) newHTTPRequest(ctx context.Context, r *request, method string, body io.Reader, random *rand.Rand) *http.Request {
	request, err := http.NewRequestWithContext(ctx, method, l.gateway.URL+r.path(), body)
	if err != nil {
		panic(err) // the suite's own mistake
	}
	request.Host = r.rule.name
	request.Header = r.header(random)
	return request
}

// do sends a request, reads its answer and returns the trailers.
func (l *load) do(c *http.Client, r *request, request *http.Request) http.Header {
	l.sending(r)
	response, err := c.Do(request)
	if err != nil {
		l.failed(r, err)
		return nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil && !r.slowBody {
		l.failed(r, err)
		return nil
	}
	l.answered(r, response.StatusCode, response.Header, string(body))
	return response.Trailer
}

func plain(over func(*load) *http.Client) func(*load, []*request, *rand.Rand) {
	return func(l *load, requests []*request, random *rand.Rand) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		method, body := http.MethodGet, ""
		if random.IntN(4) == 0 {
			method, body = http.MethodPost, "a body"
		}
		l.do(over(l), requests[0], l.newHTTPRequest(ctx, requests[0], method, strings.NewReader(body), random))
	}
}

func leaving(over func(*load) *http.Client) func(*load, []*request, *rand.Rand) {
	return func(l *load, requests []*request, random *rand.Rand) {
		after := time.Duration(random.Int64N(int64(callTimeout + callTimeout/5)))
		if random.IntN(2) == 0 {
			after /= 50 // most answers come in a few milliseconds
		}
		ctx, cancel := context.WithTimeout(context.Background(), after)
		defer cancel()
		requests[0].leaves = true
		l.do(over(l), requests[0], l.newHTTPRequest(ctx, requests[0], http.MethodGet, nil, random))
	}
}

// slowBody takes up to a second for its body.
func slowBody(l *load, requests []*request, random *rand.Rand) {
	reader, writer := io.Pipe()
	parts, pause := 2+random.IntN(8), time.Duration(random.IntN(100))*time.Millisecond
	go func() {
		for range parts {
			time.Sleep(pause)
			if _, err := writer.Write([]byte("a part of the body")); err != nil {
				return // answered already
			}
		}
		writer.Close()
	}()
	defer reader.CloseWithError(errors.New("answered"))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client := l.overHTTP1()
	if random.IntN(2) == 0 {
		client = l.overHTTP2()
	}
	requests[0].slowBody = true
	l.do(client, requests[0], l.newHTTPRequest(ctx, requests[0], http.MethodPost, reader, random))
}

func callGRPC(l *load, requests []*request, random *rand.Rand) {
	message := "a message"
	frame := append([]byte{0}, binary.BigEndian.AppendUint32(nil, uint32(len(message)))...)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r := requests[0]
	request := l.newHTTPRequest(ctx, r, http.MethodPost, strings.NewReader(string(frame)+message), random)
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("Te", "trailers")
	if trailers := l.do(l.overHTTP2(), r, request); r.answer == reached && trailers.Get("Grpc-Status") != "0" {
		l.ledger.violate("a gRPC answer without its trailers", "%s has the trailers %v", r, trailers)
	}
}

// forgedTrailers announces the trailer, as else net/http would not tell the upstream of it.
func forgedTrailers(l *load, requests []*request, random *rand.Rand) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r := requests[0]
	request := l.newHTTPRequest(ctx, r, http.MethodPost, io.NopCloser(strings.NewReader("a body")), random)
	request.ContentLength = -1
	request.Trailer = http.Header{r.rule.header: {r.rule.prefix + forgedMark}, "X-Sum": {"1"}}
	l.do(l.overHTTP2(), r, request)
}
