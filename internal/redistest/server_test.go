package redistest

import (
	"net"
	"testing"
)

// A server that can't have its port is not mistaken for the one that has it.
func TestTakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := &Server{t: t, Address: taken.Addr().String(), program: find(t), folder: t.TempDir()}
	if s.start(nil) {
		t.Error("got a server on a port that is taken, expected none")
	}
}

func TestRestart(t *testing.T) {
	s := Start(t)
	s.Do("SET", "a", "b")
	s.Stop()
	s.Restart()
	if got := s.Do("GET", "a"); got != "$-1" {
		t.Errorf("got %q after the restart, expected nothing of what it knew", got)
	}
}
