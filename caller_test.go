package main

import (
	"slices"
	"testing"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/wasm-go/pkg/test"
)

// The headers are asked for one by one where that tells all there is to know, else all at once.
func TestReadCallerHeaders(t *testing.T) {
	forwarding := func(names string) string {
		return `{"serviceName": "token.dns", "requestPath": "/", "tokenHeader": "x-token", "forwardHeaders": [` + names + `]}`
	}
	tests := map[string]struct {
		names      string
		properties map[string]string
		want       [][2]string // nil: all headers must be read
	}{
		"one":                        {`"X-User"`, map[string]string{"x-user": "a"}, [][2]string{{"x-user", "a"}}},
		"two":                        {`"X-User", "x-org"`, map[string]string{"x-user": "a", "x-org": "b"}, [][2]string{{"x-user", "a"}, {"x-org", "b"}}},
		"missing, or no such host":   {`"X-User", "x-org"`, map[string]string{"x-user": "a"}, nil},
		"repeated, or with a comma":  {`"X-User"`, map[string]string{"x-user": "a,b"}, nil},
		"more than are worth asking": {`"a", "b", "c", "d"`, map[string]string{"a": "1", "b": "2", "c": "3", "d": "4"}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			test.RunGoTest(t, func(t *testing.T) {
				_, p := newPlugin(t, forwarding(tt.names))
				for header, value := range tt.properties {
					if err := proxywasm.SetProperty([]string{"request", "headers", header}, []byte(value)); err != nil {
						t.Fatal(err)
					}
				}
				got, ok := p.global.configPart().readCallerHeaders(nil)
				if ok != (tt.want != nil) || ok && !slices.Equal(got, tt.want) {
					t.Errorf("got %q, complete: %t; expected %q", got, ok, tt.want)
				}
			})
		})
	}
}
