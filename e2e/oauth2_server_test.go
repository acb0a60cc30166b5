package e2e_test

import (
	"context"
	"encoding/json"
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

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"token-fetch/e2e/harness"
)

const (
	// The one client of zitadel's example server that may use client_credentials.
	serviceID     = "sid1"
	serviceSecret = "verysecret"

	webID     = "web"
	webSecret = awkward
	redirect  = "http://localhost:9999/auth/callback" // of the web client; nothing listens there

	tokenPath = "/oauth/token"
)

// authorizationServer is the OpenID provider github.com/zitadel/oidc with the
// storage of its example. It runs as the gateway's token service.
type authorizationServer struct {
	*harness.TokenService
	keys oidc.KeySet
}

func startAuthorizationServer(t *testing.T) *authorizationServer {
	t.Helper()
	quietLog(t)
	service := harness.NewTokenService(t)
	clients := map[string]*storage.Client{
		webID:     storage.WebClient(webID, webSecret, redirect),
		serviceID: storage.WebClient(serviceID, serviceSecret), // so that it may introspect
	}
	provider := exampleop.SetupServer(service.URL(), jwtStorage{storage.NewStorageWithClients(users(t), clients)}, slog.Default(), false)
	service.Handle(provider.ServeHTTP)
	return &authorizationServer{service, rp.NewRemoteKeySet(http.DefaultClient, service.URL()+"/keys")}
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

// jwtStorage gives the web client JWTs. The example has opaque tokens for all, which
// the client for client_credentials keeps.
type jwtStorage struct{ *storage.Storage }

type jwtClient struct{ op.Client }

func (jwtClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

func (s jwtStorage) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	client, err := s.Storage.GetClientByClientID(ctx, id)
	return jwtClient{client}, err
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

func TestAuthorizationServer(t *testing.T) {
	server := startAuthorizationServer(t)
	service := map[string]any{"clientId": serviceID, "clientSecret": serviceSecret, "scopes": []string{"openid", "profile"}}
	exchange := map[string]any{
		"clientId": webID, "clientSecret": webSecret, "grantType": harness.TokenExchange, "audience": "orders",
		"params": map[string]any{"requested_token_type": "urn:ietf:params:oauth:token-type:access_token"},
	}
	gateway := harness.Start(t, harness.Options{Token: server.TokenService, Config: harness.ByHost(map[string]map[string]any{
		"header":   harness.OAuth2Config(tokenPath, service, nil),
		"body":     harness.OAuth2Config(tokenPath, harness.Merge(service, map[string]any{"authStyle": "body"}), nil),
		"wrong":    harness.OAuth2Config(tokenPath, harness.Merge(service, map[string]any{"clientSecret": "wrong"}), map[string]any{"cache": map[string]any{"backoff": 30_000}}),
		"unscoped": harness.OAuth2Config(tokenPath, harness.Merge(service, map[string]any{"scopes": nil}), nil),
		"exchange": harness.OAuth2Config(tokenPath, exchange, nil),
	})})
	for _, host := range []string{"header", "body"} {
		t.Run("client credentials in the "+host, func(t *testing.T) {
			gateway.Upstream.Respond(server.introspect)
			server.Forget()
			for range 3 {
				harness.CheckStatus(t, gateway.Get(t, "/", "Host: "+host), 200)
			}
			if calls := server.tokenCalls(); calls != 1 {
				t.Errorf("the token endpoint was called %d times, want once", calls)
			}
		})
	}
	t.Run("the upstream really looks", func(t *testing.T) {
		gateway.Upstream.Respond(server.introspect)
		harness.CheckStatus(t, gateway.Get(t, "/", "Host: unscoped"), 403)
		harness.CheckStatus(t, gateway.Get(t, "/", "Host: other", "Authorization: Bearer forged"), 403)
	})
	t.Run("wrong secret", func(t *testing.T) {
		gateway.Upstream.Forget()
		server.Forget()
		for range 3 {
			harness.CheckStatus(t, gateway.Get(t, "/", "Host: wrong"), 500)
		}
		gateway.Upstream.CheckNotReached(t)
		if calls := server.tokenCalls(); calls != 1 {
			t.Errorf("the token endpoint was called %d times, want once", calls)
		}
	})
	t.Run("token exchange", func(t *testing.T) { checkExchange(t, gateway, server) })
}

func checkExchange(t *testing.T, gateway *harness.Gateway, server *authorizationServer) {
	gateway.Upstream.Respond(server.verify)
	tokens := map[string]string{"alice": server.login(t, "alice"), "bob": server.login(t, "bob")}
	server.Forget()
	for range 2 {
		for user, token := range tokens {
			harness.CheckStatus(t, gateway.Get(t, "/"+user, "Host: exchange", "Authorization: Bearer "+token), 200)
		}
	}
	if calls := server.tokenCalls(); calls != 2 {
		t.Errorf("the token endpoint was called %d times, want once for each user", calls)
	}
	// Neither the user's own token nor another's is good for the upstream.
	harness.CheckStatus(t, gateway.Get(t, "/alice", "Host: other", "Authorization: Bearer "+tokens["alice"]), 403)
	harness.CheckStatus(t, gateway.Get(t, "/alice", "Host: exchange", "Authorization: Bearer "+tokens["bob"]), 403)
	gateway.Upstream.Forget()
	harness.CheckStatus(t, gateway.Get(t, "/alice", "Host: exchange", "Authorization: Bearer "+tokens["alice"]+"x"), 401)
	harness.CheckStatus(t, gateway.Get(t, "/alice", "Host: exchange"), 401)
	gateway.Upstream.CheckNotReached(t)
}
