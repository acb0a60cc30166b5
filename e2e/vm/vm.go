// Package vm starts the built plugin with a configuration, as a gateway's worker does, and tells what it logs. It is a
// VM (wazero) with a host that can start a plugin and nothing else: no request, no call and no timer ever comes.
package vm

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// Plugin is a compiled plugin. Compiling takes some seconds, starting some milliseconds.
type Plugin struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
}

const (
	// startTimeout is far more than the largest configuration needs.
	startTimeout = 5 * time.Minute
	// memoryPages limit the VM's memory, by pages of 64 KiB, to 1 GiB.
	memoryPages = 1 << 14
)

// Compile compiles the plugin. The folder, unless empty, keeps what is compiled for the next time.
func Compile(ctx context.Context, module []byte, cacheFolder string) (*Plugin, error) {
	config := wazero.NewRuntimeConfig().WithCloseOnContextDone(true).WithMemoryLimitPages(memoryPages)
	if cacheFolder != "" {
		cache, err := wazero.NewCompilationCacheWithDir(cacheFolder)
		if err != nil {
			return nil, err
		}
		config = config.WithCompilationCache(cache)
	}
	p := &Plugin{runtime: wazero.NewRuntimeWithConfig(ctx, config)}
	compiled, err := p.runtime.CompileModule(ctx, module)
	if err == nil {
		p.compiled = compiled
		_, err = wasi_snapshot_preview1.Instantiate(ctx, p.runtime)
	}
	if err == nil {
		err = exportHost(ctx, p.runtime, compiled.ImportedFunctions())
	}
	if err != nil {
		p.Close(ctx)
		return nil, fmt.Errorf("loading the plugin: %w", err)
	}
	return p, nil
}

// Close frees the VM's code.
func (p *Plugin) Close(ctx context.Context) { _ = p.runtime.Close(ctx) }

// Start is how a plugin started.
type Start struct {
	OK    bool
	Lines []Line // of its log
}

// Line is one of the plugin's log.
type Line struct {
	Level Level
	Text  string // without what stands before each line
}

// Level is one of proxy_log.
type Level uint32

// The levels of the ABI.
const (
	Trace Level = iota
	Debug
	Info
	Warn
	Error
	Critical
)

// rootContext is the number of the plugin's context.
const rootContext = 1

// Start starts the plugin in a VM of its own, with an environment.
func (p *Plugin) Start(ctx context.Context, configuration []byte, environment map[string]string) (Start, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	h := &host{configuration: configuration}
	ctx = context.WithValue(ctx, hostKey{}, h)
	var crash bytes.Buffer
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize").
		WithSysWalltime().WithSysNanotime().WithRandSource(rand.Reader).WithStdout(&crash).WithStderr(&crash)
	for name, value := range environment {
		config = config.WithEnv(name, value)
	}
	module, err := p.runtime.InstantiateModule(ctx, p.compiled, config)
	if err != nil {
		return Start{}, fmt.Errorf("starting the plugin's VM: %w", err)
	}
	defer module.Close(ctx)
	calls := []struct {
		function  string
		arguments []uint64
	}{
		{"proxy_on_context_create", []uint64{rootContext, 0}},
		{"proxy_on_vm_start", []uint64{rootContext, 0}},
		{"proxy_on_configure", []uint64{rootContext, uint64(len(configuration))}},
	}
	ok := true
	for _, call := range calls {
		result, err := module.ExportedFunction(call.function).Call(ctx, call.arguments...)
		if err != nil {
			return Start{Lines: h.lines}, fmt.Errorf("the plugin's VM died in %s: %s", call.function, firstLine(err, crash.String()))
		}
		ok = ok && (len(result) == 0 || result[0] == 1)
	}
	return Start{OK: ok, Lines: h.lines}, nil
}

// firstLine says what killed a VM: Go's runtime prints it before it exits.
func firstLine(err error, printed string) string {
	if line, _, _ := strings.Cut(strings.TrimSpace(printed), "\n"); line != "" {
		return line
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
