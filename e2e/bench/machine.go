package bench

import (
	"bufio"
	"encoding/json"
	"os"
	"runtime"
	"strings"

	"token-fetch/e2e/envoy"
)

// machine is what the numbers depend on.
type machine struct {
	CPU          string // model; empty where it is not known
	Cores        int
	System       string // operating system and architecture
	Go           string
	EnvoyVersion string
}

func describeMachine(process *envoy.Process) (machine, error) {
	text, err := process.Get("/server_info")
	if err != nil {
		return machine{}, err
	}
	var info struct {
		Version string `json:"version"` // revision/version/state/build/TLS library
	}
	if err := json.Unmarshal([]byte(text), &info); err != nil {
		return machine{}, err
	}
	version := info.Version
	if parts := strings.Split(version, "/"); len(parts) > 1 {
		version = parts[1]
	}
	return machine{
		CPU: cpuModel(), Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH,
		Go: strings.TrimPrefix(runtime.Version(), "go"), EnvoyVersion: version,
	}, nil
}

func cpuModel() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		key, value, found := strings.Cut(lines.Text(), ":")
		if found && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
