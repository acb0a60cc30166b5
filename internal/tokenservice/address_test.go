package tokenservice

import (
	"testing"
	"time"
)

const clusterJSON = `{"serviceCluster": "auth/token-server", "serviceHost": "token.example.com", "requestPath": "/token", "tokenHeader": "X-Token"}`

func TestClusterErrors(t *testing.T) {
	const (
		wantName = `the exact name of the gateway's cluster: no control characters, and no spaces around it`
		wantOne  = `either serviceCluster, or serviceName and servicePort`
		both     = `invalid serviceCluster in config: "c" (want ` + wantOne + `)`
		rest     = `, "requestPath": "/", "tokenHeader": "X-Token"}`
	)
	checkErrors(t, map[string]errorCase{
		"with a name":       {`{"serviceCluster": "c", "serviceHost": "h", "serviceName": "token.dns"` + rest, both},
		"with a port":       {`{"serviceCluster": "c", "serviceHost": "h", "servicePort": 8080` + rest, both},
		"without a host":    {`{"serviceCluster": "c"` + rest, `missing serviceHost in config (serviceCluster needs it)`},
		"with a bad host":   {`{"serviceCluster": "c", "serviceHost": "a/b"` + rest, `invalid serviceHost in config: "a/b" (want a host name, with its port if it needs one)`},
		"empty, no name":    {`{"serviceCluster": "", "serviceHost": "h"` + rest, `missing serviceName in config`},
		"empty by variable": {`{"serviceCluster": "${EMPTY}", "serviceHost": "h"` + rest, `missing serviceCluster in config`},
		"space before":      {`{"serviceCluster": " c", "serviceHost": "h"` + rest, `invalid serviceCluster in config: " c" (want ` + wantName + `)`},
		"line feed":         {`{"serviceCluster": "c\nd", "serviceHost": "h"` + rest, `invalid serviceCluster in config: "c�d" (want ` + wantName + `)`},
	})
}

// A rule that names the service in one way does not inherit the other.
func TestAddressOfARule(t *testing.T) {
	const (
		byName = `{"serviceName": "token.dns", "servicePort": 8080, "requestPath": "/", "tokenHeader": "X-Token"}`
		none   = `missing serviceName in config`
		both   = `invalid serviceCluster in config: "auth/token-server" (want either serviceCluster, or serviceName and servicePort)`
	)
	type address struct{ address, cluster, host string }
	tests := map[string]struct {
		global, rule string
		want         address
		err          string
	}{
		"the global name":           {byName, `{}`, address{"token.dns:8080", "", "token.dns"}, ""},
		"the global cluster":        {clusterJSON, `{}`, address{"auth/token-server", "auth/token-server", "token.example.com"}, ""},
		"a cluster for the name":    {byName, `{"serviceCluster": "own", "serviceHost": "h"}`, address{"own", "own", "h"}, ""},
		"a name for the cluster":    {clusterJSON, `{"serviceName": "own.dns"}`, address{"own.dns:80", "", "token.example.com"}, ""},
		"a name with its port":      {clusterJSON, `{"serviceName": "own.dns", "servicePort": 81, "serviceHost": null}`, address{"own.dns:81", "", "own.dns"}, ""},
		"both":                      {byName, `{"serviceCluster": "auth/token-server", "serviceName": "token.dns", "serviceHost": "h"}`, address{}, both},
		"a port for the cluster":    {clusterJSON, `{"servicePort": 81}`, address{}, both},
		"no port, as a form has it": {clusterJSON, `{"servicePort": 0, "serviceName": ""}`, address{"auth/token-server", "auth/token-server", "token.example.com"}, ""},
		"null for the cluster":      {clusterJSON, `{"serviceCluster": null}`, address{}, none},
		"null for the host":         {clusterJSON, `{"serviceHost": null}`, address{}, `missing serviceHost in config (serviceCluster needs it)`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			service, s := readRule(test.global, test.rule)
			got := ""
			if s.Err() != nil {
				got = s.Err().Error()
			}
			if got != test.err {
				t.Fatalf("error:\ngot      %q\nexpected %q", got, test.err)
			}
			if test.err != "" {
				return
			}
			call, err := service.Call(nil, nil, nil, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			host, _ := FirstHeader(call.Headers, ":authority")
			if got := (address{service.Address(), service.Cluster, host}); got != test.want {
				t.Errorf("got %+v, expected %+v", got, test.want)
			}
		})
	}
}
