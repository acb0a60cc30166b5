package vm

import (
	"context"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// host is what a plugin that starts sees of its gateway.
type host struct {
	configuration []byte
	lines         []Line
}

type hostKey struct{}

// The ABI's results.
const (
	done            = 0
	notFound        = 1
	badMemory       = 6
	internalFailure = 10
)

// pluginConfiguration is the number of that buffer.
const pluginConfiguration = 7

// hostCall is one of the ABI. Of an argument of 32 bits, only the lower half means something.
type hostCall func(h *host, ctx context.Context, module api.Module, arguments []uint64) (status uint64)

// functions are those that have a result when a plugin starts. The others do nothing and succeed.
var functions = map[string]hostCall{
	"proxy_log":              (*host).log,
	"proxy_get_buffer_bytes": (*host).bufferBytes,

	"proxy_get_property":          (*host).find,
	"proxy_get_header_map_value":  (*host).find,
	"proxy_get_header_map_pairs":  (*host).find,
	"proxy_get_shared_data":       (*host).find,
	"proxy_dequeue_shared_queue":  (*host).find,
	"proxy_call_foreign_function": (*host).find,
	"proxy_http_call":             (*host).find,
	"proxy_set_effective_context": (*host).find,
}

// find finds nothing.
func (*host) find(context.Context, api.Module, []uint64) uint64 { return notFound }

// exportHost makes the host functions that the plugin imports.
func exportHost(ctx context.Context, runtime wazero.Runtime, imports []api.FunctionDefinition) error {
	builder := runtime.NewHostModuleBuilder("env")
	known := map[string]bool{}
	for _, definition := range imports {
		module, name, _ := definition.Import()
		if module != "env" || known[name] {
			continue
		}
		known[name] = true
		builder = builder.NewFunctionBuilder().
			WithGoModuleFunction(hostFunction(functions[name]), definition.ParamTypes(), definition.ResultTypes()).Export(name)
	}
	_, err := builder.Instantiate(ctx)
	return err
}

func hostFunction(do hostCall) api.GoModuleFunc {
	return func(ctx context.Context, module api.Module, stack []uint64) {
		h, _ := ctx.Value(hostKey{}).(*host)
		result := uint64(done)
		if do != nil && h != nil {
			result = do(h, ctx, module, stack)
		}
		if len(stack) > 0 {
			stack[0] = result
		}
	}
}

// log is proxy_log(level, message, size).
func (h *host) log(_ context.Context, module api.Module, arguments []uint64) uint64 {
	text, isThere := module.Memory().Read(uint32(arguments[1]), uint32(arguments[2]))
	if !isThere {
		return badMemory
	}
	h.lines = append(h.lines, Line{Level(arguments[0]), withoutPrefix(string(text))})
	return done
}

// withoutPrefix cuts off the plugin's name and its random id, which stand in brackets before each line.
func withoutPrefix(line string) string {
	for strings.HasPrefix(line, "[") {
		_, rest, closed := strings.Cut(line, "] ")
		if !closed {
			break
		}
		line = rest
	}
	return line
}

// bufferBytes is proxy_get_buffer_bytes(buffer, start, length, address of the data's address, of its size).
func (h *host) bufferBytes(ctx context.Context, module api.Module, arguments []uint64) uint64 {
	if uint32(arguments[0]) != pluginConfiguration || len(h.configuration) == 0 {
		return notFound
	}
	start := min(int(uint32(arguments[1])), len(h.configuration))
	end := min(start+int(uint32(arguments[2])), len(h.configuration))
	data := h.configuration[start:end]
	addressAt, sizeAt := uint32(arguments[3]), uint32(arguments[4])
	result, err := module.ExportedFunction("proxy_on_memory_allocate").Call(ctx, uint64(len(data)))
	if err != nil {
		return internalFailure
	}
	memory := module.Memory()
	if !memory.Write(uint32(result[0]), data) || !memory.WriteUint32Le(addressAt, uint32(result[0])) || !memory.WriteUint32Le(sizeAt, uint32(len(data))) {
		return badMemory
	}
	return done
}
