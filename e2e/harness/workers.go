package harness

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// WorkerClients are one client for each worker: each has one HTTP/2 connection, which that worker has accepted.
func (g *Gateway) WorkerClients(t testing.TB) []*http.Client {
	t.Helper()
	connections := make([]net.Conn, g.workers())
	accepted := g.acceptedConnections(t)
	for slices.Contains(connections, nil) {
		connection, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		worker := g.acceptedBy(t, accepted)
		if connections[worker] != nil {
			connection.Close()
			continue
		}
		connections[worker] = connection
	}
	var clients []*http.Client
	for _, connection := range connections {
		clients = append(clients, clientOn(connection))
	}
	t.Cleanup(func() {
		for _, client := range clients {
			client.CloseIdleConnections()
		}
	})
	return clients
}

func (g *Gateway) workers() int { return max(g.options.Workers, 1) }

// acceptedConnections are the numbers of connections that each worker has accepted.
func (g *Gateway) acceptedConnections(t testing.TB) []int {
	t.Helper()
	accepted := make([]int, g.workers())
	for name, text := range g.Stats(t, `^listener\..*\.worker_\d+\.downstream_cx_total$`) {
		_, rest, _ := strings.Cut(name, ".worker_")
		worker, _ := strconv.Atoi(strings.TrimSuffix(rest, ".downstream_cx_total"))
		count, err := strconv.Atoi(text)
		if err != nil || worker >= len(accepted) {
			t.Fatalf("statistic %s is %q", name, text)
		}
		accepted[worker] += count
	}
	return accepted
}

// acceptedBy returns the worker that accepts one connection more, and counts it.
func (g *Gateway) acceptedBy(t testing.TB, before []int) (accepting int) {
	t.Helper()
	Eventually(t, Limit, func() error {
		for worker, count := range g.acceptedConnections(t) {
			if count > before[worker] {
				before[worker]++
				accepting = worker
				return nil
			}
		}
		return errors.New("no worker has accepted the connection")
	})
	return accepting
}

// clientOn is a client that has no other connection.
func clientOn(connection net.Conn) *http.Client {
	dials := make(chan net.Conn, 1)
	dials <- connection
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			Protocols:          protocols,
			DisableCompression: true,
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				select {
				case connection := <-dials:
					return connection, nil
				default:
					return nil, errors.New("the only connection has been closed")
				}
			},
		},
	}
}
