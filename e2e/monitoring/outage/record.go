package outage

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// ScrapePeriod is that of the recording.
const ScrapePeriod = 10 * time.Second

// Record plays the script to a gateway with two workers, which takes its full length.
func Record(t *testing.T) *Recording {
	gateway, played := Start(t)
	stop := make(chan struct{})
	loaded := make(chan struct{})
	recording := &Recording{Period: ScrapePeriod}
	began := time.Now()
	go func() {
		defer close(loaded)
		load(gateway.Client(), gateway.URL, stop)
	}()
	events := slices.Clone(Script)
	for due := time.Duration(0); due <= length; due += time.Second {
		time.Sleep(time.Until(began.Add(due)))
		if len(events) > 0 && events[0].At <= due {
			played(events[0].Name)
			recording.Events = append(recording.Events, Event{events[0].Name, time.Since(began).Round(time.Second)})
			events = events[1:]
		}
		if due%ScrapePeriod == 0 {
			recording.add(gateway.Admin(t, "/stats/prometheus"), began)
		}
	}
	close(stop)
	<-loaded
	return recording
}

// Start runs the gateway of the script; happen makes an event happen.
func Start(t *testing.T) (gateway *harness.Gateway, happen func(event string)) {
	t.Helper()
	played := &services{}
	orders, callers := harness.NewTokenService(t), harness.NewTokenService(t)
	orders.Handle(played.answerOrders)
	callers.Handle(played.answerExchange)
	gateway = harness.Start(t, harness.Options{
		Config:   configuration(),
		Workers:  2,
		WasmLog:  "warn",
		Services: []harness.Service{orders.Service(OrderService), callers.Service(CallerService)},
	})
	return gateway, played.happen
}

// Load sends some requests of each kind, one after the other.
func Load(t *testing.T, gateway *harness.Gateway) {
	t.Helper()
	for _, headers := range [][]string{{"Host: " + orderHost}, {"Host: " + callerHost, "Authorization: Bearer caller-1"}, {"Host: " + callerHost}} {
		if answer := gateway.Get(t, "/", headers...); answer.Status >= http.StatusInternalServerError {
			t.Fatalf("%q: got %d, expected an answer", headers, answer.Status)
		}
	}
}
