package oauth

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
	"token-fetch/internal/wheel"
)

// authlib is a library that others rely on as authorization servers, and joserfc what verifies signatures for it.
var authlib = wheel.Wheel{
	Name: "authlib", Version: "1.9.6", Program: filepath.Join("authlib", "__init__.py"), Size: "6 MB", Needs: []string{"joserfc==1.8.0"},
}

// authlibClient is a client as the server has registered it.
type authlibClient struct {
	Method    string `json:"method"`
	Algorithm string `json:"algorithm"`
	Key       string `json:"key"` // a secret, or a public key in PEM
}

// startAuthlib runs the authorization server of authlib/server.py as the gateway's token service. It takes each
// assertion once, for its own URL only and by the algorithm that the client has registered.
func startAuthlib(t *testing.T, clients map[string]authlibClient) *harness.TokenService {
	t.Helper()
	packages := installAuthlib(t)
	server := exec.Command("python3", filepath.Join("authlib", "server.py"))
	server.Env = append(os.Environ(), "PYTHONPATH="+packages, "PYTHONWARNINGS=ignore")
	server.Stderr = os.Stderr
	input, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		input.Close() // which ends it
		if err := server.Wait(); err != nil {
			t.Errorf("the authorization server: %v", err)
		}
	})
	registered, err := json.Marshal(clients)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(input, "%s\n", registered); err != nil {
		t.Fatal(err)
	}
	port, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatalf("the authorization server does not start: %v", err)
	}
	service := harness.NewTokenService(t)
	target := &url.URL{Scheme: "http", Host: "127.0.0.1:" + strings.TrimSpace(port)}
	service.Handle(httputil.NewSingleHostReverseProxy(target).ServeHTTP)
	return service
}

// installAuthlib returns the folder of the packages, which git ignores.
func installAuthlib(t *testing.T) string {
	t.Helper()
	library, err := authlib.Install(t.Context(), filepath.Join(harness.Root(t), "build", "authlib"), func(message string) { t.Log(message) })
	if errors.Is(err, wheel.ErrNoPython) {
		t.Skip("python3 is missing, in which the authorization server runs")
	}
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(filepath.Dir(library))
}
