package services_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"token-fetch/e2e/harness"
)

// openBao is OpenBao itself, of HashiCorp Vault's API, with all that the recipes need.
type openBao struct{ address string }

// startOpenBao skips the test where there is none: it is a download of 75 MB.
func startOpenBao(t *testing.T) openBao {
	t.Helper()
	program := os.Getenv("OPENBAO")
	if program == "" {
		t.Skip("OPENBAO names no bao: make test-openbao installs one")
	}
	bao := openBao{fmt.Sprint("127.0.0.1:", harness.FreePorts(t, 1)[0])}
	server := exec.Command(program, "server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token", "-dev-listen-address="+bao.address) //nolint:gosec // whoever runs the test names it
	var log bytes.Buffer
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
		if t.Failed() {
			t.Logf("OpenBao's log:\n%s", log.String())
		}
	})
	harness.Eventually(t, harness.Limit, func() error {
		answer, err := http.Get("http://" + bao.address + "/v1/sys/health")
		if err == nil {
			answer.Body.Close()
		}
		return err
	})
	return bao
}

// call makes a call of its administrator, and returns the data of the answer.
func (b openBao) call(t *testing.T, method, path string, body harness.Config) (data map[string]any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+b.address+"/v1/"+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Vault-Token", "root")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	got, _ := io.ReadAll(answer.Body)
	if answer.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s %s", method, path, answer.Status, got)
	}
	var content struct{ Data map[string]any }
	_ = json.Unmarshal(got, &content)
	return content.Data
}

// Both ways to log in bring the secret. When the logins were revoked, the next read of the secret makes a new one.
func TestOpenBao(t *testing.T) {
	bao := startOpenBao(t)
	bao.call(t, "POST", "sys/auth/approle", harness.Config{"type": "approle"})
	bao.call(t, "POST", "sys/auth/jwt", harness.Config{"type": "jwt"})
	bao.call(t, "POST", "auth/jwt/config", harness.Config{"jwt_validation_pubkeys": []string{harness.PublicPEM(t, "ES256")}, "bound_issuer": "https://kubernetes.default.svc"})
	bao.call(t, "PUT", "sys/policies/acl/orders", harness.Config{"policy": `path "secret/data/orders-api" { capabilities = ["read"] }`})
	bao.call(t, "POST", "auth/approle/role/gateway", harness.Config{"token_policies": []string{"orders"}, "token_ttl": "1h"})
	bao.call(t, "POST", "auth/jwt/role/gateway", harness.Config{"role_type": "jwt", "bound_audiences": []string{"vault"}, "user_claim": "sub", "token_policies": []string{"orders"}})
	write := func(secret string) {
		bao.call(t, "POST", "secret/data/orders-api", harness.Config{"data": harness.Config{"token": secret}})
	}
	write("secret-1")

	recipes, environment := readRecipes(t, "recipe")
	environment["VAULT_ROLE_ID"] = fmt.Sprint(bao.call(t, "GET", "auth/approle/role/gateway/role-id", nil)["role_id"])
	environment["VAULT_SECRET_ID"] = fmt.Sprint(bao.call(t, "POST", "auth/approle/role/gateway/secret-id", nil)["secret_id"])
	workload := workloadToken(t)
	files := harness.Serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, workload+"\n") })
	var rules []harness.Config
	hosts := []string{"Vault secret", "Vault secret by a workload's token"}
	for _, recipe := range hosts {
		rules = append(rules, harness.Merge(recipes[recipe], harness.Config{"_match_domain_": []string{hostOf(recipe)}}))
	}
	gateway := harness.Start(t, harness.Options{Env: environment, Config: harness.Config{"_rules_": rules}, Services: []harness.Service{
		{Cluster: "outbound|8200||vault.dns", Address: bao.address}, files.Service("workload.static"),
	}})
	get := func(status int, secret string) {
		t.Helper()
		gateway.Upstream.Respond(func(*http.Request) int { return status })
		for _, recipe := range hosts {
			harness.CheckStatus(t, gateway.Get(t, "/", "Host: "+hostOf(recipe)), status)
			gateway.Upstream.CheckHeader(t, "Authorization", "Bearer "+secret)
		}
	}
	get(200, "secret-1")
	write("secret-2")
	get(200, "secret-1") // from the cache
	for _, method := range []string{"approle", "jwt"} {
		bao.call(t, "POST", "sys/leases/revoke-prefix/auth/"+method+"/login", nil)
	}
	get(401, "secret-1")
	get(200, "secret-2")
	gateway.WaitCounter(t, "service.vault_dns_8200.calls", 10)
}

// workloadToken is one as Kubernetes signs it.
func workloadToken(t *testing.T) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: harness.ClientKeys()["ES256"]}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: "https://kubernetes.default.svc", Subject: "system:serviceaccount:gateway:gateway", Audience: jwt.Audience{"vault"},
		IssuedAt: jwt.NewNumericDate(time.Now()), Expiry: jwt.NewNumericDate(time.Now().Add(time.Hour)),
	}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
