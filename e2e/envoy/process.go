package envoy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Options say how an Envoy is run.
type Options struct {
	Binary      string        // as returned by Find
	Config      string        // path of the bootstrap file; its admin address may have port 0
	Concurrency int           // worker threads; 0 means one
	WasmLog     string        // of the wasm component; "debug" when empty
	Output      io.Writer     // also gets Envoy's log while it runs; may be nil
	Ready       time.Duration // how long the start may take; 0 means 60 s
	ExtraArgs   []string
	ExtraEnv    []string // "NAME=value"
}

// Process is a running Envoy.
type Process struct {
	// Admin is the admin interface's address, host:port.
	Admin string

	cmd    *exec.Cmd
	dir    string
	log    lockedBuffer
	exited chan struct{} // closed when the process is gone
	err    error         // its exit error, once exited is closed
}

// Start runs Envoy and returns when its admin interface says that it is live,
// that is when every worker has compiled and started its Wasm VMs.
func Start(options Options) (*Process, error) {
	return StartContext(context.Background(), options)
}

// StartContext is Start, given up when the context ends before Envoy is live.
// Afterwards the context has no meaning for the process.
func StartContext(ctx context.Context, options Options) (*Process, error) {
	dir, err := os.MkdirTemp("", "token-fetch-envoy-")
	if err != nil {
		return nil, err
	}
	p := &Process{dir: dir, exited: make(chan struct{})}
	p.cmd = exec.Command(options.Binary, options.args(p.adminFile())...)
	p.cmd.Env = append(os.Environ(), options.ExtraEnv...)
	p.cmd.Stdout = &p.log
	if options.Output != nil {
		p.cmd.Stdout = io.MultiWriter(&p.log, options.Output)
	}
	p.cmd.Stderr = p.cmd.Stdout
	p.cmd.SysProcAttr = processAttributes()
	if err := p.run(); err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("starting %s: %w", options.Binary, err)
	}
	if err := p.waitReady(ctx, options.Ready); err != nil {
		// By force: while it compiles a plugin, Envoy does not look at a SIGTERM.
		p.kill()
		return nil, err
	}
	return p, nil
}

// run starts the command, and a goroutine that waits for its end.
func (p *Process) run() error {
	started := make(chan error)
	go func() {
		// Linux sends the signal of processAttributes when the thread that started
		// the process ends, so that thread has to stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.exited)
		}
	}()
	return <-started
}

func (o Options) args(adminFile string) []string {
	args := []string{
		"-c", o.Config,
		"--concurrency", strconv.Itoa(max(o.Concurrency, 1)),
		"--log-level", "warn",
		"--component-log-level", "wasm:" + cmp.Or(o.WasmLog, "debug"),
		"--admin-address-path", adminFile,
		"--disable-hot-restart",
	}
	return append(args, o.ExtraArgs...)
}

func (p *Process) adminFile() string { return filepath.Join(p.dir, "admin") }

func (p *Process) waitReady(ctx context.Context, limit time.Duration) error {
	if limit == 0 {
		limit = 60 * time.Second
	}
	deadline := time.Now().Add(limit)
	for time.Now().Before(deadline) {
		select {
		case <-p.exited:
			return fmt.Errorf("envoy ended before it was ready (%v):\n%s", p.err, p.log.tail(40))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if p.isLive(ctx) {
			return nil
		}
	}
	return fmt.Errorf("envoy was not ready within %s:\n%s", limit, p.log.tail(40))
}

func (p *Process) isLive(ctx context.Context) bool {
	if p.Admin == "" {
		address, err := os.ReadFile(p.adminFile())
		if err != nil || len(address) == 0 {
			return false
		}
		p.Admin = string(address)
	}
	body, err := p.do(ctx, http.MethodGet, "/ready")
	return err == nil && strings.TrimSpace(body) == "LIVE"
}

// Get returns the body of a GET on the admin interface; another status than 200 is an error.
func (p *Process) Get(path string) (string, error) {
	return p.do(context.Background(), http.MethodGet, path)
}

// Post does a POST on the admin interface, which is how it is told to do something.
func (p *Process) Post(path string) error {
	_, err := p.do(context.Background(), http.MethodPost, path)
	return err
}

func (p *Process) do(ctx context.Context, method, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+p.Admin+path, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("admin %s answered %s: %s", path, response.Status, body)
	}
	return string(body), nil
}

// ListenerAddress returns the host:port on which the named listener accepts
// connections, which is how a listener with port 0 is found.
func (p *Process) ListenerAddress(name string) (string, error) {
	body, err := p.Get("/listeners?format=json")
	if err != nil {
		return "", err
	}
	var listeners struct {
		Statuses []struct {
			Name    string `json:"name"`
			Address struct {
				Socket struct {
					Address string `json:"address"`
					Port    int    `json:"port_value"`
				} `json:"socket_address"`
			} `json:"local_address"`
		} `json:"listener_statuses"`
	}
	if err := json.Unmarshal([]byte(body), &listeners); err != nil {
		return "", err
	}
	for _, listener := range listeners.Statuses {
		if listener.Name == name {
			socket := listener.Address.Socket
			return net.JoinHostPort(socket.Address, strconv.Itoa(socket.Port)), nil
		}
	}
	return "", fmt.Errorf("no listener %q in %s", name, body)
}

// PID is the process id, for measuring it.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log is all that Envoy has logged so far.
func (p *Process) Log() string { return p.log.String() }

// LogTail is the last lines of the log.
func (p *Process) LogTail(lines int) string { return p.log.tail(lines) }

// Signal sends a signal to Envoy.
func (p *Process) Signal(signal os.Signal) error { return p.cmd.Process.Signal(signal) }

// Wait waits for Envoy's end. It returns an error when the exit status is not 0, and when Envoy
// does not end within the limit.
func (p *Process) Wait(limit time.Duration) error {
	select {
	case <-p.exited:
		return p.err
	case <-time.After(limit):
		return fmt.Errorf("envoy still runs after %s", limit)
	}
}

// Exited is closed when Envoy has ended, whether stopped or by itself.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Stop ends Envoy, by force if it does not go within five seconds. It returns
// an error when Envoy had ended by itself with one before.
func (p *Process) Stop() error {
	defer os.RemoveAll(p.dir)
	select {
	case <-p.exited:
		return p.err
	default:
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.exited:
	case <-time.After(5 * time.Second):
		p.kill()
	}
	return nil
}

func (p *Process) kill() {
	defer os.RemoveAll(p.dir)
	_ = p.cmd.Process.Kill() // fails only when it has ended
	<-p.exited
}

// lockedBuffer is written by the goroutine that copies Envoy's output and read by the others. It keeps at least the last keep
// bytes.
type lockedBuffer struct {
	mu     sync.Mutex // guards buffer
	buffer bytes.Buffer
}

const keep = 32 << 20

func (b *lockedBuffer) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := b.buffer.Write(data)
	if b.buffer.Len() > 2*keep { // seldom, as it moves what is left
		b.buffer.Next(b.buffer.Len() - keep)
	}
	return n, err
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

func (b *lockedBuffer) tail(lines int) string {
	all := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
