package oauth

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"token-fetch/e2e/harness"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const (
	keycloakReady  = 8 * time.Minute // it compiles its configuration first, on a busy machine for minutes
	keycloakClient = "gateway"
	keycloakSecret = "s3cr3t:+/% ä"
	// assertionIssuer is who signs the assertions that the realm takes.
	assertionIssuer = "https://issuer.example.com"
)

// keycloak is Keycloak itself, with a realm for the gateway.
type keycloak struct {
	address string // host:port
	sign    jose.Signer
	keys    oidc.KeySet
}

// startKeycloak skips the test where there is none: it needs Java and a distribution of 160 MB.
func startKeycloak(t *testing.T) *keycloak {
	t.Helper()
	home := os.Getenv("KEYCLOAK")
	if home == "" {
		t.Skip("KEYCLOAK names no unpacked distribution of Keycloak: make test-keycloak fetches one")
	}
	port := harness.FreePorts(t, 1)[0]
	k := &keycloak{address: fmt.Sprintf("127.0.0.1:%d", port)}
	runKeycloak(t, home, port)
	waitKeycloak(t, "http://"+k.address+"/realms/master")
	public, signer := signerOf(t, "RS256")
	written, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	k.createRealm(t, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: written})))
	k.sign, k.keys = signer, rp.NewRemoteKeySet(http.DefaultClient, k.issuer()+"/protocol/openid-connect/certs")
	return k
}

func runKeycloak(t *testing.T, home string, port int) {
	t.Helper()
	arguments := []string{"start-dev", "--db=dev-mem", "--cache=local", "--features=jwt-authorization-grant", "--http-host=127.0.0.1", fmt.Sprint("--http-port=", port)}
	command := exec.Command(filepath.Join(home, "bin", "kc.sh"), arguments...) //nolint:gosec // whoever runs the test names it
	command.Env = append(os.Environ(), "KC_BOOTSTRAP_ADMIN_USERNAME=admin", "KC_BOOTSTRAP_ADMIN_PASSWORD=admin", "JAVA_OPTS_KC_HEAP=-Xms64m -Xmx400m")
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a shell, and Java below it
	var log bytes.Buffer
	command.Stdout, command.Stderr = &log, &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) // nothing of it is kept
		_ = command.Wait()
		if t.Failed() {
			t.Logf("Keycloak's log:\n%s", log.String())
		}
	})
}

func waitKeycloak(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(keycloakReady); ; time.Sleep(200 * time.Millisecond) {
		response, err := http.Get(address) //nolint:gosec // of the server that the test has started
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("Keycloak is not ready after %s: %v", keycloakReady, err)
		}
	}
}

func (k *keycloak) issuer() string { return "http://" + k.address + "/realms/test" }

// createRealm makes what the recipes describe: the gateway's client, an upstream, and a client by which users log in.
func (k *keycloak) createRealm(t *testing.T, assertionKey string) {
	t.Helper()
	user := func(name string) map[string]any {
		return map[string]any{
			"username": name, "enabled": true, "firstName": name, "lastName": name, "email": name + "@example.com", "emailVerified": true,
			"credentials":         []any{map[string]any{"type": "password", "value": "password of " + name}},
			"federatedIdentities": []any{map[string]any{"identityProvider": "issuer", "userId": name, "userName": name}},
		}
	}
	client := func(id, secret, audience string, attributes map[string]any) map[string]any {
		mapper := map[string]any{
			"name": "audience", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
			"config": map[string]any{"included.client.audience": audience, "access.token.claim": "true"},
		}
		return map[string]any{
			"clientId": id, "secret": secret, "publicClient": false, "standardFlowEnabled": false, "serviceAccountsEnabled": true,
			"directAccessGrantsEnabled": true, "protocolMappers": []any{mapper}, "attributes": attributes,
		}
	}
	realm := map[string]any{
		"realm": "test", "enabled": true, "sslRequired": "none",
		"users": []any{user("alice"), user("bob")},
		"clients": []any{
			client("app", "app", keycloakClient, nil), client("stranger", "stranger", "orders", nil), client("orders", "orders", "orders", nil),
			client(keycloakClient, keycloakSecret, "orders", map[string]any{"standard.token.exchange.enabled": "true",
				"oauth2.jwt.authorization.grant.enabled": "true", "oauth2.jwt.authorization.grant.idp": "issuer"}),
		},
		"identityProviders": []any{map[string]any{"alias": "issuer", "providerId": "jwt-authorization-grant", "enabled": true, "config": map[string]any{
			"issuer": assertionIssuer, "useJwksUrl": "false", "publicKeySignatureVerifier": assertionKey,
			"jwtAuthorizationGrantEnabled": "true", "jwtAuthorizationGrantMaxAllowedAssertionExpiration": "3600",
		}}},
	}
	admin := k.token(t, "master", url.Values{"client_id": {"admin-cli"}, "username": {"admin"}, "password": {"admin"}})
	body, err := json.Marshal(realm)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+k.address+"/admin/realms", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+admin)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if answer, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusCreated {
		t.Fatalf("Keycloak does not take the realm: %s %s", response.Status, answer)
	}
}

// token has a user log in.
func (k *keycloak) token(t *testing.T, realm string, form url.Values) string {
	t.Helper()
	form.Set("grant_type", "password")
	response, err := http.PostForm("http://"+k.address+"/realms/"+realm+"/protocol/openid-connect/token", form)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
		Error       string `json:"error_description"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		t.Fatalf("no user can log in: %s %s %v", response.Status, answer.Error, err)
	}
	return answer.AccessToken
}

func (k *keycloak) login(t *testing.T, client, user string) string {
	t.Helper()
	return k.token(t, "test", url.Values{"client_id": {client}, "client_secret": {client}, "username": {user}, "password": {"password of " + user}})
}

// assertion is a user's, by whom the realm trusts. Each is another one.
func (k *keycloak) assertion(t *testing.T, sign jose.Signer, user, audience string) string {
	t.Helper()
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": assertionIssuer, "sub": user, "aud": audience, "jti": fmt.Sprint(now.UnixNano()), "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := sign.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// verify is an upstream that checks the token's signature, times, issuer and audience, and that it was issued to
// the gateway. The path names whose it must be.
func (k *keycloak) verify(request *http.Request) int {
	claims, err := op.VerifyAccessToken[*oidc.AccessTokenClaims](request.Context(), bearerToken(request), op.NewAccessTokenVerifier(k.issuer(), k.keys))
	if err != nil || !slices.Contains(claims.Audience, "orders") || claims.AuthorizedParty != keycloakClient ||
		claims.Claims["preferred_username"] != strings.TrimPrefix(request.URL.Path, "/") {
		return http.StatusForbidden
	}
	return http.StatusOK
}
