//go:build istio

package istio_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"istio.io/istio/pkg/config/constants"

	"token-fetch/e2e/envoy"
	"token-fetch/e2e/gateways/provider"
	"token-fetch/e2e/harness"
)

// envoyVersion is the one that Istio 1.31 is built from. Istio's own build has further extensions, which this
// plugin needs none of.
const envoyVersion = "1.39.3"

// agent is Istio's pilot-agent with its Envoy, as an ingress gateway runs it.
type agent struct {
	url string // of the gateway

	mu  sync.Mutex // guards log
	log bytes.Buffer
}

func (a *agent) Write(data []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log.Write(data)
}

// logged counts the lines of the log with a text.
func (a *agent) logged(text string) (lines int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Count(a.log.String(), text)
}

// startAgent runs the agent until the test ends. It returns at once; requests get their answers some seconds later.
func startAgent(t *testing.T, discoveryPort, gatewayPort int) *agent {
	t.Helper()
	binary, err := envoy.Install(t.Context(), harness.Root(t), envoyVersion, func(message string) { t.Log(message) })
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "pilot-agent")
	if output, err := exec.Command("go", "build", "-o", program, "istio.io/istio/pilot/cmd/pilot-agent").CombinedOutput(); err != nil {
		t.Fatalf("building pilot-agent: %v\n%s", err, output)
	}
	makeDataFolder(t)
	// Not t.TempDir: sockets in it must have short paths.
	dir, err := os.MkdirTemp("", "istio")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })

	a := &agent{url: "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(gatewayPort))}
	command := exec.Command(program, "proxy", "router", "--domain", "istio-ingress.svc.cluster.local",
		"--proxyLogLevel", "warning,misc:error,wasm:debug", "--concurrency", "2", "--log_output_level", "default:warn,wasm:debug")
	command.Dir = dir
	command.Env = append(os.Environ(), agentEnvironment(t, dir, binary, discoveryPort)...)
	command.Stdout, command.Stderr = a, a
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stopGroup(command)
		if t.Failed() {
			a.mu.Lock()
			defer a.mu.Unlock()
			t.Logf("the agent's log:\n%s", a.log.String())
		}
	})
	return a
}

// makeDataFolder makes the folder that the agent keeps modules in, as Istio's image has it: its name can't be changed.
func makeDataFolder(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(constants.IstioDataDir); err == nil {
		return
	}
	if err := os.MkdirAll(constants.IstioDataDir, 0o755); err != nil {
		t.Fatalf("Istio's agent needs a folder that may not be made here: %v (make it, and give it to yourself)", err)
	}
	t.Cleanup(func() { os.RemoveAll(constants.IstioDataDir) })
}

// agentEnvironment is what Istio's chart and its injection put there, for a machine without Kubernetes.
func agentEnvironment(t *testing.T, dir, binary string, discoveryPort int) []string {
	t.Helper()
	ports := harness.FreePorts(t, 3)
	config, err := json.Marshal(map[string]any{
		"binaryPath":                 binary,
		"configPath":                 filepath.Join(dir, "proxy"),
		"discoveryAddress":           fmt.Sprintf("127.0.0.1:%d", discoveryPort),
		"controlPlaneAuthPolicy":     "NONE",
		"proxyAdminPort":             ports[0],
		"proxyBootstrapTemplatePath": filepath.Join(moduleFolder(t), "tools", "packaging", "common", "envoy_bootstrap.json"),
		"terminationDrainDuration":   "1s",
	})
	if err != nil {
		t.Fatal(err)
	}
	return []string{
		"PROXY_CONFIG=" + string(config),
		"POD_NAME=gateway", "POD_NAMESPACE=istio-ingress", "INSTANCE_IP=127.0.0.1",
		"ISTIO_META_CLUSTER_ID=Kubernetes", `ISTIO_METAJSON_LABELS={"istio": "ingress"}`,
		"FILE_MOUNTED_CERTS=true", // no certificate authority
		"CLOUD_PLATFORM=none",     // or it asks the addresses of clouds for metadata
		"GRPC_XDS_BOOTSTRAP=",
		fmt.Sprint("ENVOY_STATUS_PORT=", ports[1]), fmt.Sprint("ENVOY_PROMETHEUS_PORT=", ports[2]),
		"MINIMUM_DRAIN_DURATION=1s",
		"TOKEN_FETCH_CLIENT_SECRET=" + provider.Secret,
	}
}

// stopGroup ends the agent, and Envoy with it.
func stopGroup(command *exec.Cmd) {
	ended := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(ended)
	}()
	_ = syscall.Kill(-command.Process.Pid, syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		<-ended
	}
}

// moduleFolder is where the sources of Istio are.
func moduleFolder(t *testing.T) string {
	t.Helper()
	output, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "istio.io/istio").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(output))
}
