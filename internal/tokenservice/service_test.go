package tokenservice

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What stands in the configuration must be there, and be what the call to the service needs.
func TestServiceErrors(t *testing.T) {
	checkErrors(t, map[string]errorCase{
		"no path":           {`{"tokenHeader": "X-Token"}`, `missing requestPath in config; missing serviceName in config`},
		"nothing":           {`{}`, `missing tokenHeader in config; missing requestPath in config; missing serviceName in config`},
		"token header":      {withKey(`"tokenHeader": "X Token"`), `invalid tokenHeader in config: "X Token" (want ` + settable + `)`},
		"timeout too large": {extended(`"timeout": 60001`), `invalid timeout in config: 60001 (want 1 to 60000)`},
		"retries":           {extended(`"retries": 6`), `invalid retries in config: 6 (want 0 to 5)`},
		"forwarded pseudo-header": {extended(`"forwardHeaders": [":path"]`),
			`invalid forwardHeaders in config: ":path" (want ` + settable + `)`},
		"forwarded and configured": {extended(`"forwardHeaders": ["X-A", "X-Key"], "requestHeaders": {"x-key": "s3cr3t"}`),
			`invalid forwardHeaders in config: "X-Key" (want headers that the token call does not set itself)`},
		"forwarded and OAuth's": {oauth2Config(`"clientId": "id", "clientSecret": "s"`, `, "forwardHeaders": ["Authorization"]`),
			`invalid forwardHeaders in config: "Authorization" (want headers that the token call does not set itself)`},
		"ttl too large": {extended(`"cache": {"ttl": 315360001}`), `invalid cache.ttl in config: 315360001 (want 1 to 315360000)`},
		"expiresAtPath": {extended(`"cache": {"expiresAtPath": ""}`), `invalid cache.expiresAtPath in config: "" (want a path into the JSON answer, for example data.token)`},
		"ignoreCacheControl": {extended(`"cache": {"ignoreCacheControl": "yes"}`),
			`invalid cache.ignoreCacheControl in config: "yes" (want true or false)`},
	})
}

// A part that is switched off may lack what is required, but what it has must be good.
func TestPartThatIsOff(t *testing.T) {
	of := func(oauth2 string) string { return `{"oauth2": {` + oauth2 + `}}` }
	for config, want := range map[string]string{
		`{}`: ``, `{"serviceCluster": "c"}`: ``, of(``): ``, of(`"grantType": "password"`): ``,
		of(`"authStyle": "private_key_jwt"`): ``, of(`"authStyle": "client_secret_jwt"`): ``, of(`"authStyle": "none"`): ``,
		`{"timeout": 0}`: `invalid timeout in config: 0 (want 1 to 60000)`,
		of(`"authStyle": "none", "clientSecret": "s3cr3t"`):                    `invalid oauth2.clientSecret in config (want none with authStyle none)`,
		of(`"authStyle": "private_key_jwt", "privateKey": "s3cr3t"`):           `invalid oauth2.privateKey in config (want ` + wantPrivateKey + `)`,
		of(`"authStyle": "private_key_jwt", "signingAlgorithm": "x"`):          `invalid oauth2.signingAlgorithm in config: "x" (want ES256, ES384, RS256, RS384, RS512, PS256, PS384, PS512, EdDSA)`,
		of(`"authStyle": "private_key_jwt", "keyId": 1`):                       `invalid oauth2.keyId in config: 1 (want a string)`,
		of(`"authStyle": "client_secret_jwt", "assertionAudience": ["urn:a"]`): `invalid oauth2.assertionAudience in config: a list (want a string)`,
	} {
		_, s := readPart(config, false)
		if got := fmt.Sprint(s.Err()); got != want && (want != "" || s.Err() != nil) {
			t.Errorf("%s: got %s, expected %q", config, got, want)
		}
	}
}

func TestService(t *testing.T) {
	const credentials = `"clientId": "id", "clientSecret": "s"`
	type facts struct {
		tokenHeader, address, callerHeaders, removed string
		isOAuth2, dependsOnCaller, needsBody         bool
	}
	tests := map[string]struct {
		config string
		want   facts
	}{
		"the sample":               {sampleJSON, facts{tokenHeader: "X-Token", address: "token.dns:8080"}},
		"cached":                   {extended(`"cache": {}`), facts{tokenHeader: "X-Token", address: "token.dns:8080", needsBody: true}},
		"token in the body":        {extended(`"tokenPath": "a"`), facts{tokenHeader: "X-Token", address: "token.dns:8080", needsBody: true}},
		"upstream header of body":  {extended(`"upstreamHeaders": {"A": "body:a"}`), facts{tokenHeader: "X-Token", address: "token.dns:8080", needsBody: true}},
		"condition on the body":    {extended(`"successWhen": [{"path": "a", "equals": "1"}]`), facts{tokenHeader: "X-Token", address: "token.dns:8080", needsBody: true}},
		"forwarding":               {extended(`"forwardHeaders": ["X-User"]`), facts{tokenHeader: "X-Token", address: "token.dns:8080", callerHeaders: "x-user", dependsOnCaller: true}},
		"client credentials":       {oauth2Config(credentials, ""), facts{tokenHeader: "Authorization", address: "idp.dns:80", isOAuth2: true, needsBody: true}},
		"exchange":                 {oauth2Config(exchange, ""), facts{"Authorization", "idp.dns:80", "authorization", "", true, true, true}},
		"exchange by other header": {oauth2Config(exchange+`, "subjectTokenHeader": "X-Subject"`, ""), facts{"Authorization", "idp.dns:80", "x-subject", "x-subject", true, true, true}},
		"exchange to other header": {oauth2Config(exchange, `, "tokenHeader": "X-Token"`), facts{"X-Token", "idp.dns:80", "authorization", "authorization", true, true, true}},
		"subject set upstream":     {oauth2Config(exchange+`, "subjectTokenHeader": "X-User"`, `, "upstreamHeaders": {"x-user": "body:sub"}`), facts{"Authorization", "idp.dns:80", "x-user", "", true, true, true}},
		"actor":                    {oauth2Config(delegation, ""), facts{"Authorization", "idp.dns:80", "authorization x-actor", "x-actor", true, true, true}},
		"actor in the token's":     {oauth2Config(exchange+`, "subjectTokenHeader": "X-Subject", "actorTokenHeader": "Authorization"`, ""), facts{"Authorization", "idp.dns:80", "x-subject authorization", "x-subject", true, true, true}},
		"jwt-bearer":               {oauth2Config(jwtBearer, `, "tokenHeader": "X-Token"`), facts{"X-Token", "idp.dns:80", "authorization", "authorization", true, true, true}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			service, s := readPart(test.config, true)
			if s.Err() != nil {
				t.Fatal(s.Err())
			}
			got := facts{service.TokenHeader(), service.Address(), strings.Join(service.CallerHeaders(), " "), strings.Join(service.Removed, " "),
				AlwaysCaches(s), service.DependsOnCaller(), service.NeedsBody}
			if got != test.want {
				t.Errorf("got      %+v\nexpected %+v", got, test.want)
			}
		})
	}
}

// The token service would receive the client's value besides the gateway's own.
func TestHeadersThatTheCallSetsAreNotForwarded(t *testing.T) {
	const body = `, "authStyle": "body"`
	credentials := `"clientId": "id", "clientSecret": "s"`
	tests := map[string]struct{ config, header string }{
		"requestHeaders":                {extended(`"requestHeaders": {"X-Api-Key": "k"}`), "X-Api-Key"},
		"requestHeaders, other case":    {extended(`"requestHeaders": {"X-API-Key": "k"}`), "x-api-key"},
		"credentials":                   {oauth2Config(credentials, ""), "authorization"},
		"the form's type":               {oauth2Config(credentials, ""), "Content-Type"},
		"the form's type in body style": {oauth2Config(credentials+body, ""), "content-type"},
		"accept":                        {oauth2Config(credentials+body, ""), "ACCEPT"},
		"oauth2 and requestHeaders":     {oauth2Config(credentials, `, "requestHeaders": {"X-Tenant": "t"}`), "X-Tenant"},
		"body style, own Authorization": {oauth2Config(credentials+body, `, "requestHeaders": {"Authorization": "k"}`), "Authorization"},
		"an exchange's credentials":     {oauth2Config(exchange, ""), "Authorization"},
		"another subject header":        {oauth2Config(exchange+`, "subjectTokenHeader": "X-Subject"`, ""), "Authorization"},
	}
	for name, test := range tests {
		_, s := readPart(strings.TrimSuffix(test.config, "}")+`, "forwardHeaders": ["X-User", "`+test.header+`"]}`, true)
		want := `invalid forwardHeaders in config: "` + test.header + `" (want headers that the token call does not set itself)`
		if got := fmt.Sprint(s.Err()); got != want {
			t.Errorf("%s: got %s, expected %s", name, got, want)
		}
	}
}

// What a configuration says, in all the ways in which it may be written.
func TestFactsOfAService(t *testing.T) {
	cluster := func(s *Service) any { return s.ClusterName() }
	name := func(s *Service) any { return s.Name }
	port := func(s *Service) any { return s.Port }
	timeout := func(s *Service) any { return s.Timeout }
	retries := func(s *Service) any { return s.Retries }
	protected := func(s *Service) any { return strings.Join(s.Protected, " ") }
	forwarded := func(s *Service) any { return strings.Join(s.forward, " ") }
	for _, test := range []struct {
		config string
		fact   func(*Service) any
		want   any
	}{
		{clusterJSON, cluster, "auth/token-server"},
		{sampleJSON, cluster, "outbound|8080||token.dns"},
		{withKey(`"servicePort": null`), cluster, "outbound|80||token.dns"},
		{withKey(`"serviceName": "token.default.svc.cluster.local"`), name, "token.default.svc.cluster.local"},
		{withKey(`"serviceName": "token.DEFAULT-GROUP.public.nacos"`), name, "token.DEFAULT-GROUP.public.nacos"},
		{withKey(`"serviceName": "consumers:token.zookeeper"`), name, "consumers:token.zookeeper"},
		{withKey(`"serviceName": "providers:com.example.Token:1.0.0.nacos"`), name, "providers:com.example.Token:1.0.0.nacos"},
		// The sample took a port in quotes, and none where it was 0.
		{withKey(`"servicePort": "8081"`), port, 8081}, {withKey(`"servicePort": 0`), port, 80}, {withKey(`"servicePort": "0"`), port, 80}, {withKey(`"servicePort": 65535`), port, 65535},
		{sampleJSON, timeout, 500 * time.Millisecond}, {extended(`"timeout": 60000`), timeout, time.Minute},
		{sampleJSON, retries, 0}, {extended(`"retries": 5`), retries, 5},
		{extended(`"upstreamHeaders": {"X-User": "header:a", "X-Role": "body:b"}`), protected, "X-Token X-User X-Role"}, // the token's comes first
		{extended(`"forwardHeaders": ["X-User", "x-user", "${HEADER}"]`), forwarded, "x-user x-tenant"},                 // as the host's, and none is there twice
	} {
		if got := test.fact(mustRead(t, test.config)); got != test.want {
			t.Errorf("%s: got %v, expected %v", test.config, got, test.want)
		}
	}
}
