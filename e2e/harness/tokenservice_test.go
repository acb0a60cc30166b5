package harness_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

func TestAnswers(t *testing.T) {
	released := make(chan struct{})
	close(released)
	tests := map[string]struct {
		answer http.HandlerFunc
		want   harness.Answer // of no status: none comes
	}{
		"header":  {harness.HeaderToken("X-Token", "a"), harness.Answer{Status: 200, Header: http.Header{"X-Token": {"a"}}}},
		"text":    {harness.JSON(201, `{"a":`), harness.Answer{Status: 201, Body: `{"a":`}},
		"value":   {harness.JSON(200, []int{1}), harness.Answer{Status: 200, Body: `[1]`}},
		"status":  {harness.Status(503), harness.Answer{Status: 503}},
		"delay":   {harness.Delay(time.Millisecond, harness.Status(204)), harness.Answer{Status: 204}},
		"hold":    {harness.Hold(released, harness.Status(204)), harness.Answer{Status: 204}},
		"hang":    {harness.Hang(), harness.Answer{}},
		"reset":   {harness.Reset(), harness.Answer{}},
		"close":   {harness.Close(), harness.Answer{}},
		"raw":     {harness.Raw("HTTP/1.1 299 OK\r\n\r\nabc"), harness.Answer{Status: 299, Body: "abc"}},
		"request": {func(w http.ResponseWriter, r *http.Request) { _ = r.Write(w) }, harness.Answer{Status: 200, Body: "POST /a%20b?c HTTP/1.1"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			service := harness.NewTokenService(t)
			service.Handle(test.answer)
			answer, err := ask(t, service)
			if (err != nil) != (test.want.Status == 0) || answer.Status != test.want.Status ||
				!strings.HasPrefix(answer.Body, test.want.Body) ||
				answer.Header.Get("X-Token") != test.want.Header.Get("X-Token") {
				t.Errorf("got %+v, %v; want %+v", answer, err, test.want)
			}
			call := service.WaitCalls(t, 1)[0]
			if call.URI != "/a%20b?c" || call.Method != http.MethodPost || call.Body != "body" {
				t.Errorf("recorded %+v", call)
			}
		})
	}
}

func TestStopAndResume(t *testing.T) {
	service := harness.NewTokenService(t)
	service.Handle(harness.Sequence(harness.Status(201), harness.Status(202)))
	for _, want := range []int{201, 202, 202} {
		if answer, err := ask(t, service); err != nil || answer.Status != want {
			t.Errorf("got %+v, %v; want status %d", answer, err, want)
		}
	}
	service.Stop()
	if answer, err := ask(t, service); err == nil {
		t.Errorf("a stopped service answered %+v", answer)
	}
	service.Resume(t)
	if answer, err := ask(t, service); err != nil || answer.Status != 202 {
		t.Errorf("the resumed service answered %+v, %v", answer, err)
	}
}

// ask gives up after a while, for the answers that never come.
func ask(t *testing.T, service *harness.TokenService) (harness.Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, service.URL()+"/a%20b?c", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true // a connection of an earlier answer would hide that the service is down
	return harness.Send(http.DefaultClient, request)
}
