package faults

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"
)

// client is one way in which clients behave.
type client struct {
	name     string
	gateway  string // what the gateway does, for the page
	weight   int
	requests int  // at a time; 0 means one
	http2    bool // goes to the upstream that speaks HTTP/2, as trailers reach only that
	send     func(l *load, requests []*request)
}

// answersInTime is what becomes of most.
const answersInTime = "answers each with the rule's `failure` or the upstream's response, in time"

var allClients = []*client{
	{name: "HTTP/1.1", gateway: answersInTime, weight: 160, send: simple((*load).http1)},
	{name: "HTTP/2", gateway: answersInTime, weight: 160, send: simple((*load).http2)},
	{name: "leaves at random, HTTP/1.1", gateway: "drops it; the requests waiting with it get their token", weight: 50, send: leaving((*load).http1)},
	{name: "leaves at random, HTTP/2", gateway: "drops it; the requests waiting with it get their token", weight: 50, send: leaving((*load).http2)},
	{name: "streams a slow body", gateway: answersInTime + ", counted from its headers", weight: 30, send: slowBody},
	{name: "resets its stream after the headers", gateway: "drops it", weight: 5, requests: 10, send: resetStreams},
	{name: "upgrades to WebSocket", gateway: "upgrades it with a token, or answers by `failure`", weight: 25, send: webSocket},
	{name: "gRPC", gateway: "forwards it with a token, or answers with a gRPC status", weight: 40, http2: true, send: callGRPC},
	{name: "Expect: 100-continue", gateway: answersInTime, weight: 25, send: expectContinue},
	{name: "pipelines five requests", gateway: answersInTime + ", each counted from the answer before it", weight: 12, requests: 5, send: pipeline},
	{name: "a forged token header in unusual forms", gateway: "replaces or removes all of them", weight: 50, send: oddHeaders},
	{name: "a forged token header as a trailer", gateway: "removes it from the trailers", weight: 30, http2: true, send: forgedTrailers},
}

func (l *load) http1() http.RoundTripper { return l.gateway.Client().Transport }
func (l *load) http2() http.RoundTripper { return l.gateway.HTTP2Client().Transport }

// patience is how long a client waits that does not leave.
const patience = 20 * time.Second

// within sends a request whose client waits for so long.
func (l *load) within(d time.Duration, over http.RoundTripper, r *request, request *http.Request) (trailers http.Header) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	trailers, _ = l.do(over, r, request.WithContext(ctx))
	return trailers
}

func simple(over func(*load) http.RoundTripper) func(*load, []*request) {
	return func(l *load, requests []*request) {
		method, body := http.MethodGet, ""
		if rand.IntN(4) == 0 {
			method, body = http.MethodPost, "a body"
		}
		l.within(patience, over(l), requests[0], l.http(requests[0], method, strings.NewReader(body)))
	}
}

func leaving(over func(*load) http.RoundTripper) func(*load, []*request) {
	return func(l *load, requests []*request) {
		after := rand.N(callTimeout + callTimeout/5)
		if rand.IntN(2) == 0 {
			after /= 50 // most answers come in a few milliseconds
		}
		requests[0].leaves = true
		l.within(after, over(l), requests[0], l.http(requests[0], http.MethodGet, nil))
	}
}

// slowBody takes up to a second for its body.
func slowBody(l *load, requests []*request) {
	reader, writer := io.Pipe()
	parts, pause := 2+rand.IntN(8), rand.N(100*time.Millisecond)
	go func() {
		defer writer.Close()
		for range parts {
			time.Sleep(pause)
			if _, err := io.WriteString(writer, "a part of the body"); err != nil {
				return // answered already
			}
		}
	}()
	defer reader.CloseWithError(errors.New("answered"))
	over := l.http1()
	if rand.IntN(2) == 0 {
		over = l.http2()
	}
	requests[0].slowBody = true
	l.within(patience, over, requests[0], l.http(requests[0], http.MethodPost, reader))
}

// resetStreams opens streams and resets each right after its headers, on a connection of its own: Envoy cuts one that has
// reset hundreds.
func resetStreams(l *load, requests []*request) {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	// Not CloseIdleConnections at the end: the connection is not idle before Envoy has answered for the resets.
	transport := &http.Transport{Protocols: protocols, IdleConnTimeout: time.Second}
	body, never := io.Pipe()
	defer never.Close()
	for _, r := range requests {
		r.leaves = true
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		trace := &httptrace.ClientTrace{WroteHeaders: cancel}
		l.do(transport, r, l.http(r, http.MethodPost, body).WithContext(httptrace.WithClientTrace(ctx, trace)))
		cancel()
	}
}

func webSocket(l *load, requests []*request) {
	r := requests[0]
	request := l.http(r, http.MethodGet, nil)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		request.Header.Set(name, value)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, tunnel := l.do(l.alone, r, request.WithContext(ctx))
	if tunnel == nil {
		return
	}
	defer tunnel.Close()
	const text = "frames"
	echo := make([]byte, len(text))
	_, err := io.WriteString(tunnel, text)
	if err == nil {
		_, err = io.ReadFull(tunnel, echo)
	}
	if err != nil || string(echo) != text {
		l.ledger.violate("a WebSocket that does not work", "%s: %q, %v", r, echo, err)
	}
}

func callGRPC(l *load, requests []*request) {
	const message = "a message"
	frame := append([]byte{0}, binary.BigEndian.AppendUint32(nil, uint32(len(message)))...)
	r := requests[0]
	request := l.http(r, http.MethodPost, strings.NewReader(string(frame)+message))
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("Te", "trailers")
	if trailers := l.within(patience, l.http2(), r, request); r.answer == withoutToken && trailers.Get("Grpc-Status") != "0" {
		l.ledger.violate("a gRPC answer without its trailers", "%s has the trailers %v", r, trailers)
	}
}

// expectContinue has the body wait for Envoy's 100, which the harness' client does as long as it takes.
func expectContinue(l *load, requests []*request) {
	request := l.http(requests[0], http.MethodPost, strings.NewReader("a body"))
	request.Header.Set("Expect", "100-continue")
	l.within(patience, l.alone, requests[0], request)
}

// pipeline writes all requests before it reads the first answer. Envoy itself cuts a
// connection when more than two answers are queued ("Too many responses queued"), as
// they are when it makes them at once.
func pipeline(l *load, requests []*request) {
	connection, err := net.Dial("tcp", strings.TrimPrefix(l.gateway.URL, "http://"))
	if err == nil {
		defer connection.Close()
		_ = connection.SetDeadline(time.Now().Add(patience))
	}
	for _, r := range requests {
		l.sending(r)
		if err == nil {
			err = l.http(r, http.MethodGet, nil).Write(connection)
		}
	}
	reader := bufio.NewReader(connection)
	for i, r := range requests {
		now := time.Now()
		l.ledger.change(func() { r.countFrom = now })
		var response *http.Response
		var body []byte
		if err == nil {
			response, err = http.ReadResponse(reader, nil)
		}
		if err == nil {
			body, err = io.ReadAll(response.Body)
			response.Body.Close()
		}
		if err != nil {
			r.leaves = i >= 2
			l.failed(r, err)
			continue
		}
		l.answered(r, response, string(body))
	}
}

// oddHeaders brings the token's header in forms that a careless filter would miss.
func oddHeaders(l *load, requests []*request) {
	r := requests[0]
	request := l.http(r, http.MethodGet, nil)
	if r.subject == nil { // which needs the header for itself
		name, forged := r.rule.header, r.rule.prefix+forgedMark
		lower, upper, mixed := strings.ToLower(name), strings.ToUpper(name), strings.ToLower(name[:1])+strings.ToUpper(name[1:])
		forms := []http.Header{
			{lower: {forged}},
			{upper: {forged}},
			{mixed: {forged}},
			{name: {forged + "-1"}, lower: {forged + "-2"}, upper: {forged + "-3"}},
			{name: {""}},
			{name: {"", forged}},
			{name: {forged + ", " + forged}},
			{name: {forged + strings.Repeat("x", 8<<10)}},
			{name: {forged + "\xff"}},
			{name: {forged}, "Connection": {name}},
		}
		request.Header.Del(name)
		for spelled, values := range forms[rand.IntN(len(forms))] {
			request.Header[spelled] = values
		}
	}
	l.within(patience, l.http1(), r, request)
}

// forgedTrailers announces the trailer, as else net/http would not tell the upstream of it.
func forgedTrailers(l *load, requests []*request) {
	r := requests[0]
	over := l.http2()
	if rand.IntN(4) == 0 {
		over = l.http1()
	}
	request := l.http(r, http.MethodPost, io.NopCloser(strings.NewReader("a body")))
	request.ContentLength = -1
	request.Trailer = http.Header{r.rule.header: {r.rule.prefix + forgedMark}, "X-Sum": {"1"}}
	l.within(patience, over, r, request)
}
