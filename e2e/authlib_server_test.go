package e2e_test

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
)

// What is installed of Authlib, and of the package that verifies its signatures.
var authlibPackages = []string{"authlib==1.9.6", "joserfc==1.8.0"}

// authlibClient is a client as the server has registered it.
type authlibClient struct {
	Method    string `json:"method"`
	Algorithm string `json:"algorithm"`
	Key       string `json:"key"` // a secret, or a public key in PEM
}

// startAuthlib runs the authorization server of authlib/server.py as the gateway's token service: a library that
// others rely on, which takes each assertion once, for its own URL only and by the algorithm that the client has
// registered.
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
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is missing, in which the authorization server runs")
	}
	folder := filepath.Join(root, "build", strings.Join(authlibPackages, "-"))
	if _, err := os.Stat(folder); err == nil {
		return folder
	}
	// Installed beside its place and renamed, so that half of it is not taken for all.
	partial := fmt.Sprintf("%s.partial.%d", folder, os.Getpid())
	defer os.RemoveAll(partial)
	arguments := append([]string{"-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", partial}, authlibPackages...)
	pip := exec.Command("python3", arguments...)
	pip.Env = append(os.Environ(), "PIP_ROOT_USER_ACTION=ignore")
	if said, err := pip.CombinedOutput(); err != nil {
		t.Fatalf("installing %s with python3 -m pip: %v: %s", authlibPackages[0], err, said)
	}
	if err := os.Rename(partial, folder); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	return folder
}
