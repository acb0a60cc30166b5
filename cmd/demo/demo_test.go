package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// demoLimit bounds each wait for the demo, the compilation of the plugin included.
const demoLimit = 60 * time.Second

func TestDemo(t *testing.T) {
	harness.Wasm(t) // it is built
	binary := filepath.Join(t.TempDir(), "demo")
	if output, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	t.Run("curl", func(t *testing.T) {
		t.Parallel()
		d := startDemo(t, binary, harness.Root(t))
		d.waitFor(t, "The plugin's log")
		if direct := askHeaders(t, d.httpbin); len(direct["X-Token"]) != 0 {
			t.Errorf("httpbin itself received %v", direct)
		}
		if token := askHeaders(t, d.gateway)["X-Token"]; !slices.Equal(token, []string{"demo-token-from-httpbin"}) {
			t.Errorf("through the gateway httpbin received the tokens %q", token)
		}
		d.stop(t, syscall.SIGTERM)
	})
	t.Run("another plugin", func(t *testing.T) {
		t.Parallel()
		plugin := filepath.Join(harness.Root(t), "examples", "my-plugin", "main.wasm")
		d := startDemo(t, binary, harness.Root(t), "-plugin", plugin, "-config", `{"mockEnable": false}`)
		d.waitFor(t, "The plugin's log")
		if hello := askHeaders(t, d.gateway)["Hello"]; !slices.Equal(hello, []string{"world"}) {
			t.Errorf("got the headers hello %q at httpbin, expected world", hello)
		}
		d.stop(t, syscall.SIGTERM)
	})
	t.Run("interrupt during the start", func(t *testing.T) {
		d := startDemo(t, binary, harness.Root(t))
		d.waitFor(t, "V8 compiles")
		d.stop(t, os.Interrupt)
	})
	t.Run("port in use", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		checkRefusal(t, binary, "port "+port+" is in use", "-root", harness.Root(t), "-port", port)
	})
	t.Run("no plugin", func(t *testing.T) {
		checkRefusal(t, binary, "main.wasm missing: run make first", "-root", t.TempDir())
	})
}

// runningDemo is a demo in its own session, on free ports.
type runningDemo struct {
	command *exec.Cmd
	output  *bufio.Scanner
	lines   []string // of the output so far
	ports   []int
	gateway string // URL
	httpbin string // URL
}

func startDemo(t *testing.T, binary, root string, more ...string) *runningDemo {
	t.Helper()
	ports := harness.FreePorts(t, 3)
	d := &runningDemo{
		ports:   ports,
		gateway: fmt.Sprintf("http://127.0.0.1:%d", ports[0]),
		httpbin: fmt.Sprintf("http://127.0.0.1:%d", ports[2]),
		command: exec.Command(binary, append([]string{"-root", root, "-port", strconv.Itoa(ports[0]),
			"-admin-port", strconv.Itoa(ports[1]), "-httpbin-port", strconv.Itoa(ports[2])}, more...)...),
	}
	d.command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := d.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.command.Stderr = d.command.Stdout
	d.output = bufio.NewScanner(pipe)
	if err := d.command.Start(); err != nil {
		t.Fatal(err)
	}
	// So that neither waiting for a line nor a failed test can leave it running.
	limit := time.AfterFunc(demoLimit, func() { _ = d.command.Process.Signal(syscall.SIGTERM) })
	t.Cleanup(func() {
		limit.Stop()
		_ = d.command.Process.Kill()
	})
	return d
}

func (d *runningDemo) waitFor(t *testing.T, text string) {
	t.Helper()
	for d.output.Scan() {
		d.lines = append(d.lines, d.output.Text())
		if strings.Contains(d.output.Text(), text) {
			return
		}
	}
	t.Fatalf("the demo did not print %q:\n%s", text, strings.Join(d.lines, "\n"))
}

// stop sends the signal and checks that nothing of the demo is left.
func (d *runningDemo) stop(t *testing.T, signal os.Signal) {
	t.Helper()
	if err := d.command.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	d.waitFor(t, "stopped")
	if err := d.command.Wait(); err != nil {
		t.Errorf("the demo ended with %v", err)
	}
	if left := sessionProcesses(t, d.command.Process.Pid); len(left) != 0 {
		t.Errorf("the demo left %v", left)
	}
	for _, port := range d.ports {
		connection, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			connection.Close()
			t.Errorf("port %d is still open", port)
		}
	}
}

// sessionProcesses are the command lines of the processes of a session.
func sessionProcesses(t *testing.T, session int) []string {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Fatalf("no processes in /proc: %v", err)
	}
	var found []string
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		// After the name in parentheses: state, parent, group, session.
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); len(fields) > 3 && fields[3] == strconv.Itoa(session) {
			found = append(found, string(stat))
		}
	}
	return found
}

func checkRefusal(t *testing.T, binary, want string, arguments ...string) {
	t.Helper()
	output, err := exec.Command(binary, arguments...).CombinedOutput()
	if err == nil || strings.Count(string(output), "\n") != 1 || !strings.Contains(string(output), want) {
		t.Errorf("got %v, %q; want one line with %q", err, output, want)
	}
}

// askHeaders are the headers that httpbin says it received.
func askHeaders(t *testing.T, base string) http.Header {
	t.Helper()
	response, err := http.Get(base + "/headers")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct{ Headers http.Header }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatalf("%s: %v", response.Status, err)
	}
	return answer.Headers
}
