// Package provider runs a gateway's surroundings on loopback, as the manifests in deploy/ expect them: an upstream, an image
// registry, and an identity provider that speaks TLS only as idp.example.com and issues tokens for client credentials.
// CheckTokens checks that a gateway gets them.
package provider

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"token-fetch/e2e/harness"
)

// What the manifests say of the provider and of its client.
const (
	Host     = "idp.example.com"
	Path     = "/oauth2/token"
	ClientID = "gateway"
	Secret   = "s3cr3t-of-the-gateway"
)

// Provider is a running identity provider.
type Provider struct {
	Port   int
	CAFile string // PEM of the only root by which its certificate is valid
}

// Start runs a provider until the test ends.
func Start(t testing.TB) *Provider {
	t.Helper()
	root, chain := certificate(t)
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, root, 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(answer))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that leave while they are greeted
	server.TLS = &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if hello.ServerName != Host {
				return nil, fmt.Errorf("the server name is %q, expected %q", hello.ServerName, Host)
			}
			return chain, nil
		},
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return &Provider{Port: server.Listener.Addr().(*net.TCPAddr).Port, CAFile: caFile}
}

// StartUpstream runs an upstream that answers with the Authorization header that it gets, and returns its port.
func StartUpstream(t testing.TB) int {
	t.Helper()
	server := harness.Serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Header.Get("Authorization")) })
	_, port, _ := net.SplitHostPort(server.Address)
	number, _ := strconv.Atoi(port)
	return number
}

// StartRegistry runs a registry of images, and returns its host and port.
func StartRegistry(t testing.TB) string {
	t.Helper()
	return harness.Serve(t, registry.New(registry.Logger(log.New(io.Discard, "", 0))).ServeHTTP).Address
}

// answer gives a token that tells for which scopes it is, or an error that tells what was wrong.
func answer(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	switch {
	case r.Host != Host || r.URL.Path != Path || r.Method != http.MethodPost:
		http.Error(w, "not found", http.StatusNotFound)
	case id != ClientID || secret != Secret:
		http.Error(w, `{"error": "invalid_client"}`, http.StatusUnauthorized)
	case r.PostFormValue("grant_type") != "client_credentials":
		http.Error(w, `{"error": "unsupported_grant_type"}`, http.StatusBadRequest)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprintf(w, `{"access_token": %q, "token_type": "Bearer", "expires_in": 3600}`, Token(r.PostFormValue("scope")))
	}
}

// Token is what the provider gives for scopes, separated by spaces as in the request.
func Token(scope string) string { return "token-for-" + strings.ReplaceAll(scope, " ", "+") }

// CheckTokens sends the requests that the files of deploy/ treat differently, to a gateway whose upstream answers with
// the Authorization header that it got.
func CheckTokens(t testing.TB, url string) {
	t.Helper()
	for _, test := range []struct{ host, want string }{
		{"orders.example.com", "Bearer " + Token("orders.read")},
		{"partner.example.com", "Bearer " + Token("orders.read partners.read")},
		{"public.example.com", "forged"}, // an exempted request is left alone
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = test.host
		request.Header.Set("Authorization", "forged")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK || string(body) != test.want {
			t.Errorf("%s: got %d with %q at the upstream (%v), expected %q", test.host, response.StatusCode, body, err, test.want)
		}
	}
}

// certificate makes a root, as PEM, and a certificate of the provider that it has signed.
func certificate(t testing.TB) (root []byte, signed *tls.Certificate) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	issuer := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test root"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, issuer, issuer, rootKey.Public(), rootKey)
	must(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	subject := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: Host}, DNSNames: []string{Host},
		NotBefore: issuer.NotBefore, NotAfter: issuer.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, subject, issuer, key.Public(), rootKey)
	must(err)
	pemBlock := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER})
	return pemBlock, &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
