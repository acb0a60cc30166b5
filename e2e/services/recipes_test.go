// Package services_test plays token services as they really are, each by what its documentation or people who use it say
// it does, to the configurations of docs/oauth2.md in a real Envoy. A service takes a call only if all of it is right.
package services_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"token-fetch/e2e/harness"
)

var (
	block    = regexp.MustCompile("(?ms)^ *```ya?ml\\s*?\n *# (recipe|filter): (.+?)\n(.*?)^ *```")
	variable = regexp.MustCompile(`(?:^|[^$])\$\{([A-Za-z0-9_]+)\}`)
)

// secretOf is what a variable holds: all that a JSON body, a form or a path could break at.
func secretOf(name string) string { return harness.SecretMark + `-"` + name + `" 50%&x=y+\` }

// valueOf is a secret, or what only a key can be.
func valueOf(t *testing.T, name string) string {
	switch {
	case strings.HasSuffix(name, "_PRIVATE_KEY"):
		return harness.PrivatePEM(t, "RS256")
	case strings.HasSuffix(name, "_FINGERPRINT"):
		der, err := x509.MarshalPKIXPublicKey(harness.ClientKeys()["RS256"].Public())
		if err != nil {
			t.Fatal(err)
		}
		hash := sha256.Sum256(der)
		return base64.StdEncoding.EncodeToString(hash[:])
	}
	return secretOf(name)
}

// readRecipes returns what the documentation has of a kind, recipe or filter, by name, and a value for each variable.
func readRecipes(t *testing.T, kind string) (found map[string]harness.Config, environment map[string]string) {
	t.Helper()
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "oauth2.md"))
	if err != nil {
		t.Fatal(err)
	}
	found, environment = map[string]harness.Config{}, map[string]string{}
	for _, match := range block.FindAllSubmatch(text, -1) {
		if string(match[1]) != kind {
			continue
		}
		var config harness.Config
		if err := yaml.Unmarshal(match[3], &config); err != nil {
			t.Errorf("%s %s: %v", kind, match[2], err)
		}
		found[string(match[2])] = config
		for _, name := range variable.FindAllSubmatch(match[3], -1) {
			environment[string(name[1])] = valueOf(t, string(name[1]))
		}
	}
	return found, environment
}

// here has a recipe call the harness' token service, also for its named tokens. A busy machine may need longer than its timeout.
func here(recipe harness.Config) harness.Config {
	config := maps.Clone(recipe)
	if named, ok := config["tokens"].(harness.Config); ok {
		config["tokens"] = maps.Clone(named)
		for name, token := range named {
			config["tokens"].(harness.Config)[name] = here(token.(harness.Config))
		}
	}
	if config["jwt"] != nil {
		return config
	}
	if config["serviceHost"] == nil {
		config["serviceHost"] = config["serviceName"]
	}
	config["serviceName"], config["timeout"] = harness.TokenName, 10_000
	delete(config, "servicePort")
	return config
}

// host is the one by which requests choose a recipe's rule.
func hostOf(recipe string) string {
	return strings.Trim(regexp.MustCompile("[^a-z0-9]+").ReplaceAllString(strings.ToLower(recipe), "-"), "-") + ".test"
}

// service plays one token service, or those of a chain.
type service struct {
	recipe string
	before []call // of named tokens, in their order
	takes  []func(*received) error
	answer func(w http.ResponseWriter) // nil: no service is called
	client []string                    // headers of the client's request
	header string                      // in which the upstream gets the token
	want   string
	signed func(*received) error // what the upstream gets, in place of want
}

// call is one that a service takes.
type call struct {
	takes  []func(*received) error
	answer func(w http.ResponseWriter)
}

func (s service) calls() []call {
	if s.answer == nil {
		return nil
	}
	return append(slices.Clone(s.before), call{s.takes, s.answer})
}

func services() []service {
	bearer := func(recipe, token string, answer func(http.ResponseWriter), takes ...func(*received) error) service {
		return service{recipe: recipe, takes: takes, answer: answer, header: "Authorization", want: "Bearer " + token}
	}
	lifetime := time.Now().Add(time.Hour).UTC()
	return []service{
		{
			recipe: "OpenStack Keystone",
			takes: []func(*received) error{is("POST", "keystone.example.com", "/v3/auth/tokens"), json(`{"auth": {"identity": {"methods": ["application_credential"],
				"application_credential": {"id": "$OS_CREDENTIAL_ID", "secret": "$OS_CREDENTIAL_SECRET"}}}}`)},
			answer: answers(201, `{"token": {"expires_at": "`+lifetime.Format("2006-01-02T15:04:05.000000Z")+`"}}`, "X-Subject-Token: gAAAAAB"),
			header: "X-Auth-Token", want: "gAAAAAB",
		},
		bearer("Kubernetes TokenRequest", "eyJ.kube.sig", answers(201, `{"kind": "TokenRequest", "status": {"token": "eyJ.kube.sig", "expirationTimestamp": "`+lifetime.Format(time.RFC3339)+`"}}`),
			is("POST", "kubernetes.default.svc", "/api/v1/namespaces/shop/serviceaccounts/orders/token"), header("Authorization", "Bearer $KUBERNETES_TOKEN"),
			json(`{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["https://orders.example.com"], "expirationSeconds": 3600}}`)),
		bearer("Google metadata server, ID token", "eyJ.google.sig", answers(200, "eyJ.google.sig", "Content-Type: text/html"),
			is("GET", "metadata.static", "/computeMetadata/v1/instance/service-accounts/default/identity?audience=https%3A%2F%2Forders.example.com&format=full"), header("Metadata-Flavor", "Google")),
		{
			recipe: "Google STS", client: []string{"Authorization: Bearer eyJ.caller.sig"},
			takes: []func(*received) error{is("POST", "sts.googleapis.com", "/v1/token"), noHeader("Authorization"), form(
				"grant_type=urn:ietf:params:oauth:grant-type:token-exchange", "subject_token=eyJ.caller.sig", "subject_token_type=urn:ietf:params:oauth:token-type:jwt",
				"requested_token_type=urn:ietf:params:oauth:token-type:access_token", "scope=https://www.googleapis.com/auth/cloud-platform",
				"audience=//iam.googleapis.com/projects/123456789/locations/global/workloadIdentityPools/callers/providers/idp")},
			answer: answers(200, `{"access_token": "ya29.federated", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "token_type": "Bearer", "expires_in": 3599}`),
			header: "Authorization", want: "Bearer ya29.federated",
		},
		{
			recipe: "AWS IMDSv2",
			takes:  []func(*received) error{is("PUT", "imds.static", "/latest/api/token"), header("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")},
			answer: answers(200, "AQAEAL==", "Content-Type: text/plain", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 21600"),
			header: "X-Aws-Ec2-Metadata-Token", want: "AQAEAL==",
		},
		bearer("Azure managed identity", "eyJ.azure.sig", answers(200, `{"access_token": "eyJ.azure.sig", "expires_in": "86399", "expires_on": "`+fmt.Sprint(lifetime.Unix())+`", "token_type": "Bearer"}`),
			is("GET", "169.254.169.254", "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F"), header("Metadata", "true")),
		{
			recipe: "Conjur",
			takes:  []func(*received) error{is("POST", "conjur.example.com", "/authn/myorg/host%2Fgateway/authenticate"), header("Accept-Encoding", "base64"), body("$CONJUR_API_KEY")},
			answer: answers(200, "eyJwcm90ZWN0ZWQi==\n", "Content-Type: text/plain", "Content-Encoding: base64"),
			header: "Authorization", want: `Token token="eyJwcm90ZWN0ZWQi=="`,
		},
		{
			recipe: "Vault AppRole",
			takes:  []func(*received) error{is("POST", "vault.example.com", "/v1/auth/approle/login"), json(`{"role_id": "$VAULT_ROLE_ID", "secret_id": "$VAULT_SECRET_ID"}`)},
			answer: answers(200, `{"auth": {"client_token": "hvs.CAES", "lease_duration": 3600}}`),
			header: "X-Vault-Token", want: "hvs.CAES",
		},
		bearer("Zoom", "eyJ.zoom.sig", answers(200, `{"access_token": "eyJ.zoom.sig", "token_type": "bearer", "expires_in": 3599}`),
			is("POST", "zoom.us", "/oauth/token"), basic("$ZOOM_CLIENT_ID", "$ZOOM_CLIENT_SECRET"), form("grant_type=account_credentials", "account_id=$ZOOM_ACCOUNT_ID")),
		bearer("IBM Cloud IAM", "eyJ.ibm.sig", answers(200, `{"access_token": "eyJ.ibm.sig", "token_type": "Bearer", "expires_in": 3600, "expiration": 1795435200}`),
			is("POST", "iam.cloud.ibm.com", "/identity/token"), noHeader("Authorization"), form("grant_type=urn:ibm:params:oauth:grant-type:apikey", "apikey=$IBM_API_KEY")),
		bearer("refresh token", "ya29.user", answers(200, `{"access_token": "ya29.user", "token_type": "Bearer", "expires_in": 3599, "scope": "a"}`),
			is("POST", "oauth2.googleapis.com", "/token"), form("grant_type=refresh_token", "client_id=$GOOGLE_CLIENT_ID", "client_secret=$GOOGLE_CLIENT_SECRET", "refresh_token=$GOOGLE_REFRESH_TOKEN")),
		{
			recipe: "Snowflake",
			takes: []func(*received) error{is("POST", "myorg-myaccount.snowflakecomputing.com", "/session/v1/login-request"),
				json(`{"data": {"ACCOUNT_NAME": "myorg-myaccount", "LOGIN_NAME": "$SNOWFLAKE_USER", "PASSWORD": "$SNOWFLAKE_PASSWORD"}}`)},
			answer: answers(200, `{"data": {"token": "ver:1-hint:1-ETM", "validityInSeconds": 3600}, "success": true}`),
			header: "Authorization", want: `Snowflake Token="ver:1-hint:1-ETM"`,
		},
		{
			recipe: "SAP session cookie", client: []string{"Cookie: theme=dark; B1SESSION=forged", "Cookie: routeid=forged; lang=de"},
			takes: []func(*received) error{is("POST", "b1.example.com", "/b1s/v1/Login"), json(`{"CompanyDB": "SBODEMO", "UserName": "$SAP_USER", "Password": "$SAP_PASSWORD"}`)},
			answer: answers(200, `{"SessionId": "f5cf", "SessionTimeout": 30}`, "Cache-Control: no-store", "Set-Cookie: ROUTEID=.node1; path=/; SameSite=None",
				"Set-Cookie: B1SESSION=f5cf-1; HttpOnly; Path=/b1s; SameSite=None; Secure", "Set-Cookie: other=1"),
			header: "Cookie", want: "B1SESSION=f5cf-1; ROUTEID=.node1; theme=dark; lang=de",
		},
		bearer("Feishu", "t-g104", answers(200, `{"code": 0, "msg": "ok", "tenant_access_token": "t-g104", "expire": 7200}`, "Content-Type: application/json; charset=utf-8"),
			is("POST", "open.feishu.cn", "/open-apis/auth/v3/tenant_access_token/internal"), header("Content-Type", "application/json; charset=utf-8"),
			json(`{"app_id": "$FEISHU_APP_ID", "app_secret": "$FEISHU_APP_SECRET"}`)),
		{
			recipe: "Keycloak, several audiences", client: []string{"Authorization: Bearer eyJ.caller.sig"},
			takes: []func(*received) error{is("POST", "keycloak.example.com", "/realms/myrealm/protocol/openid-connect/token"), basic("gateway", "$KEYCLOAK_CLIENT_SECRET"), form(
				"grant_type=urn:ietf:params:oauth:grant-type:token-exchange", "subject_token=eyJ.caller.sig", "subject_token_type=urn:ietf:params:oauth:token-type:access_token",
				"audience=orders", "audience=invoices")},
			answer: answers(200, `{"access_token": "eyJ.two.sig", "token_type": "Bearer", "expires_in": 300}`),
			header: "Authorization", want: "Bearer eyJ.two.sig",
		},
		{
			recipe: "answers that forbid caching",
			takes:  []func(*received) error{is("GET", "tokens.static", "/api/token"), header("Authorization", `Token token="$TOKEN_API_KEY"`)},
			answer: answers(200, `{"token": "abc"}`, "Cache-Control: max-age=0, private, must-revalidate"),
			header: "X-Token", want: "abc",
		},
	}
}

// Each service gets what it wants, the upstream gets the token as it wants it, and the second request makes no call.
func TestRecipesAsTheyStand(t *testing.T) {
	t.Parallel()
	recipes, environment := readRecipes(t, "recipe")
	all := append(services(), chains()...)
	var rules []harness.Config
	for _, s := range all {
		if recipes[s.recipe] == nil {
			t.Fatalf("docs/oauth2.md has no recipe %q", s.recipe)
		}
		rules = append(rules, harness.Merge(here(recipes[s.recipe]), harness.Config{"_match_domain_": []string{hostOf(s.recipe)}}))
	}
	for name, recipe := range recipes {
		if (recipe["tokens"] != nil || recipe["jwt"] != nil) && !slices.ContainsFunc(all, func(s service) bool { return s.recipe == name }) {
			t.Errorf("nothing plays the services of recipe %q", name)
		}
	}
	gateway := harness.Start(t, harness.Options{Config: harness.Config{"_rules_": rules}, Env: environment})
	for _, s := range all {
		t.Run(s.recipe, func(t *testing.T) {
			var problem error
			calls := s.calls()
			count := 0
			gateway.Token.Handle(func(w http.ResponseWriter, r *http.Request) {
				if count++; count > len(calls) {
					problem = fmt.Errorf("call %d, want %d", count, len(calls))
				} else {
					problem = calls[count-1].check(r)
				}
				if problem != nil {
					w.WriteHeader(http.StatusTeapot)
					return
				}
				calls[count-1].answer(w)
			})
			gateway.Token.Forget()
			for range 2 {
				answer := gateway.Get(t, "/", append(slices.Clone(s.client), "Host: "+hostOf(s.recipe))...)
				if answer.Status != http.StatusOK {
					t.Fatalf("answered %d %q, want 200; the service: %v", answer.Status, answer.Body, problem)
				}
				if s.signed == nil {
					gateway.Upstream.CheckHeader(t, s.header, s.want)
				} else if err := s.signed(&received{Request: &http.Request{Header: gateway.Upstream.Last(t).Header}}); err != nil {
					t.Errorf("the upstream: %v", err)
				}
			}
			if count != len(calls) {
				t.Errorf("%d token calls for two requests, want %d", count, len(calls))
			}
		})
	}
}
