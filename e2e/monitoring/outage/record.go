package outage

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// ScrapePeriod is that of the recording.
const ScrapePeriod = 10 * time.Second

// Record plays the script to a gateway with two workers, which takes its full length.
func Record(t *testing.T) *Recording {
	played := &services{}
	gateway := start(t, played)
	stop, loaded := make(chan struct{}), make(chan struct{})
	recording := &Recording{Period: ScrapePeriod}
	began := time.Now()
	go func() {
		defer close(loaded)
		harness.LoadUntil(stop, 2*requestRate, func(number int) any { // what it gets is in the metrics
			if number%2 == 0 {
				return gateway.Ask(t, orderHost).Err
			}
			return gateway.Ask(t, callerHost, fmt.Sprintf("Authorization: Bearer caller-%d", number/2%callers)).Err
		})
	}()
	events := Script
	for due := time.Duration(0); due <= length; due += time.Second {
		time.Sleep(time.Until(began.Add(due)))
		if len(events) > 0 && events[0].At <= due {
			played.happen(events[0].do)
			recording.Events = append(recording.Events, Event{events[0].Name, time.Since(began).Round(time.Second)})
			events = events[1:]
		}
		if due%ScrapePeriod == 0 {
			recording.add(gateway.Admin(t, "/stats/prometheus"), began)
			gateway.Upstream.Forget()
		}
	}
	close(stop)
	<-loaded
	return recording
}

// Start runs the gateway of the script, with services that do not fail.
func Start(t *testing.T) *harness.Gateway {
	t.Helper()
	return start(t, &services{})
}

func start(t *testing.T, played *services) *harness.Gateway {
	t.Helper()
	orders, callers := harness.NewTokenService(t), harness.NewTokenService(t)
	orders.Handle(played.answerOrders)
	callers.Handle(played.answerExchange)
	return harness.Start(t, harness.Options{
		Config:   configuration(),
		Workers:  2,
		WasmLog:  "warn",
		Services: []harness.Service{orders.Service(OrderService), callers.Service(CallerService)},
	})
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
