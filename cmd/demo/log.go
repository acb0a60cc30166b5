package main

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// envoyLine is Envoy's log format: [time][thread][level][component] [source] message.
var envoyLine = regexp.MustCompile(`^\[\S+ ([^]]+)\]\[\d+\]\[(\w+)\]\[(\w+)\] (?:\[[^]]*\] )?(.*)$`)

// pluginLine is how Envoy logs what a plugin logs: "wasm log NAME [ROOT_ID] [VM_ID]: text".
var pluginLine = regexp.MustCompile(`^wasm log[^:]*: (.*)$`)

// noise are warnings that mean nothing here: about an open door to the internet,
// and about being stopped.
var noise = []string{"global_downstream_max_connections", "caught ENVOY_SIGTERM"}

// logFilter writes on, of Envoy's log, what the plugin logged and what Envoy warns of.
type logFilter struct {
	output  io.Writer
	partial []byte // of a line that is not yet complete
	shown   bool   // whether the last line was written, so that what continues it is too
}

func (f *logFilter) Write(data []byte) (int, error) {
	f.partial = append(f.partial, data...)
	for {
		line, rest, complete := bytes.Cut(f.partial, []byte("\n"))
		if !complete {
			return len(data), nil
		}
		f.line(string(line))
		f.partial = rest
	}
}

func (f *logFilter) line(line string) {
	parts := envoyLine.FindStringSubmatch(line)
	if parts == nil {
		if f.shown && strings.TrimSpace(line) != "" {
			fmt.Fprintln(f.output, line)
		}
		return
	}
	time, level, message := parts[1], parts[2], parts[4]
	source := "envoy"
	if plugin := pluginLine.FindStringSubmatch(message); plugin != nil && parts[3] == "wasm" {
		source, message = "plugin", plugin[1]
	}
	f.shown = source == "plugin" || isWarning(level, message)
	if f.shown {
		fmt.Fprintf(f.output, "%s %s %s: %s\n", time, source, level, message)
	}
}

func isWarning(level, message string) bool {
	for _, text := range noise {
		if strings.Contains(message, text) {
			return false
		}
	}
	return level == "warning" || level == "error" || level == "critical"
}
