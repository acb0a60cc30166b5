package harness_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

func TestStreams(t *testing.T) {
	sink := harness.NewSink(t)
	gateway := harness.Start(t, harness.Options{Config: config("X-Token"), Sink: sink, Details: true})
	answers := make(chan harness.StreamAnswer, 1)
	streams := gateway.OpenStreams(t, func(number int, answer harness.StreamAnswer) {
		answer.Body = fmt.Sprint(number, " ", answer.Body)
		answers <- answer
	})
	ask := func(number int, path string, want harness.StreamAnswer) {
		t.Helper()
		if err := streams.Send(number, "host.example", path, "x-own: a:b"); err != nil {
			t.Fatal(err)
		}
		if err := streams.Flush(); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-answers:
			if got.Time = (time.Time{}); got != want {
				t.Errorf("%s: got %+v, want %+v", path, got, want)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: no answer", path)
		}
	}
	ask(1, "/a", harness.StreamAnswer{Status: 200, Body: "1 "})
	ask(2, "/direct", harness.StreamAnswer{Status: 200, Body: "2 direct", Details: "direct_response"})
	ask(3, "/cut", harness.StreamAnswer{Status: 503, Details: "upstream_reset_before_response_started{overflow}",
		Body: "3 upstream connect error or disconnect/reset before headers. reset reason: overflow"})
	gateway.Token.Handle(harness.Status(http.StatusTeapot))
	ask(4, "/b", harness.StreamAnswer{Status: 500, Body: "4 http call failed", Details: "token_fetch.call_failed"})
	arrivals := sink.Arrivals()
	if len(arrivals) != 1 || arrivals[0].Path != "/a" || arrivals[0].Token != "token-1" {
		t.Errorf("the sink received %+v", arrivals)
	}
}
