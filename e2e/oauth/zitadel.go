package oauth

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/client"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"token-fetch/e2e/harness"
)

// awkward is what generated secrets consist of, and more.
const awkward = "+%&=:/ ?#\"'\\<>~.-_*!()$@,;äß€😀%2B%zz"

// Clients of zitadel's server.
const (
	// The one client of its example that may use client_credentials.
	serviceID     = "sid1"
	serviceSecret = "verysecret"

	webID     = "web"
	webSecret = awkward
	redirect  = "http://localhost:9999/auth/callback" // of the web client; nothing listens there

	tokenPath = "/oauth/token"
)

// authorizationServer is the OpenID provider github.com/zitadel/oidc with the storage of its example. It runs as the gateway's
// token service.
type authorizationServer struct {
	*harness.TokenService
	keys      oidc.KeySet
	good, bad jose.Signer // sign users' assertions: with the key that the server knows, and with another
}

func startAuthorizationServer(t *testing.T) *authorizationServer {
	t.Helper()
	quietLog(t)
	service := harness.NewTokenService(t)
	clients := map[string]*storage.Client{
		webID:     storage.WebClient(webID, webSecret, redirect),
		serviceID: storage.WebClient(serviceID, serviceSecret), // so that it may introspect
	}
	key, good := signerOf(t, "RS256")
	_, bad := signerOf(t, "another RS256")
	users := grantStorage{storage.NewStorageWithClients(users(t), clients), key}
	service.Handle(exampleop.SetupServer(service.URL(), users, slog.Default(), true).ServeHTTP)
	return &authorizationServer{service, rp.NewRemoteKeySet(http.DefaultClient, service.URL()+"/keys"), good, bad}
}

// quietLog drops what the provider logs about every request.
func quietLog(t *testing.T) {
	before, flags := slog.Default(), log.Flags()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		slog.SetDefault(before)
		log.SetOutput(os.Stderr) // slog has taken it over
		log.SetFlags(flags)
	})
}

// users may all log in, and are allowed to have their tokens exchanged. The
// introspection looks for a client as a user, too.
func users(t *testing.T) storage.UserStore {
	t.Helper()
	all := map[string]*storage.User{}
	for _, name := range []string{"alice", "bob", serviceID} {
		all[name] = &storage.User{ID: name, Username: name, Password: "password of " + name, IsAdmin: true}
	}
	data, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "users.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	store, err := storage.StoreFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// tokenCalls are the calls of the token endpoint.
func (s *authorizationServer) tokenCalls() int {
	calls := 0
	for _, call := range s.Calls() {
		if call.URI == tokenPath {
			calls++
		}
	}
	return calls
}

// login has a user log in with a browser's requests, and returns the access token.
func (s *authorizationServer) login(t *testing.T, user string) string {
	t.Helper()
	browser := &http.Client{Timeout: harness.Limit, CheckRedirect: func(request *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(request.URL.String(), redirect) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	page, err := browser.Get(s.URL() + "/auth?" + url.Values{
		"client_id": {webID}, "response_type": {"code"}, "redirect_uri": {redirect}, "scope": {"openid"}, "state": {"s"},
	}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	page.Body.Close()
	done, err := browser.PostForm(s.URL()+"/login/username", url.Values{
		"id": {page.Request.URL.Query().Get("authRequestID")}, "username": {user}, "password": {"password of " + user},
	})
	if err != nil {
		t.Fatal(err)
	}
	done.Body.Close()
	back, err := url.Parse(done.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	err = s.post(tokenPath, webID, webSecret, url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {redirect},
	}, &answer)
	if err != nil || answer.AccessToken == "" {
		t.Fatalf("%s can't log in: %v", user, err)
	}
	return answer.AccessToken
}

// post sends a form with a client's credentials.
func (s *authorizationServer) post(path, id, secret string, form url.Values, answer any) error {
	request, err := http.NewRequest(http.MethodPost, s.URL()+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status + ": " + string(body))
	}
	return json.Unmarshal(body, answer)
}

// introspect is an upstream that has the server tell about the token (RFC 7662).
func (s *authorizationServer) introspect(request *http.Request) int {
	var answer oidc.IntrospectionResponse
	err := s.post("/oauth/introspect", serviceID, serviceSecret, url.Values{"token": {bearerToken(request)}}, &answer)
	if err != nil || !answer.Active || answer.Subject != serviceID || !slices.Contains(answer.Scope, "profile") {
		return http.StatusForbidden
	}
	return http.StatusOK
}

// verify is an upstream that checks the signature of a JWT, its times, who issued
// it and that it is for this upstream. The path names whose it must be.
func (s *authorizationServer) verify(request *http.Request) int {
	verifier := op.NewAccessTokenVerifier(s.URL(), s.keys)
	claims, err := op.VerifyAccessToken[*oidc.AccessTokenClaims](request.Context(), bearerToken(request), verifier)
	if err != nil || claims.Subject != strings.TrimPrefix(request.URL.Path, "/") || !slices.Contains(claims.Audience, "orders") {
		return http.StatusForbidden
	}
	return http.StatusOK
}

func bearerToken(request *http.Request) string {
	values := request.Header.Values("Authorization")
	if len(values) != 1 {
		return ""
	}
	token, _ := strings.CutPrefix(values[0], "Bearer ")
	return token
}

// signerOf signs with one of the harness' keys.
func signerOf(t *testing.T, name string) (*rsa.PublicKey, jose.Signer) {
	t.Helper()
	key := harness.ClientKeys()[name].(*rsa.PrivateKey)
	written := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	signer, err := client.NewSignerFromPrivateKeyByte(written, "1")
	if err != nil {
		t.Fatal(err)
	}
	return &key.PublicKey, signer
}

// assertionOf is a user's, which names the server that it is for, and the upstream.
func assertionOf(t *testing.T, user, audience string, signer jose.Signer) string {
	t.Helper()
	signed, err := client.SignedJWTProfileAssertion(user, []string{audience, "orders"}, time.Hour, signer)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// verifyActor is an upstream that also looks at who acts: /alice/for/bob is alice, for whom bob acts.
func (s *authorizationServer) verifyActor(request *http.Request) int {
	claims, err := op.VerifyAccessToken[*oidc.AccessTokenClaims](request.Context(), bearerToken(request), op.NewAccessTokenVerifier(s.URL(), s.keys))
	subject, actor, _ := strings.Cut(strings.TrimPrefix(request.URL.Path, "/"), "/for/")
	if err != nil || claims.Subject != subject || claims.Actor == nil || claims.Actor.Subject != actor || !slices.Contains(claims.Audience, "orders") {
		return http.StatusForbidden
	}
	return http.StatusOK
}
