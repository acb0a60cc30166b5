package main

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"token-fetch/internal/config"
)

// fakeAnswer also counts what is asked of it: each is a call of the host.
type fakeAnswer struct {
	status           int
	grpc             string
	header, metadata string
	asked            int
}

func (a *fakeAnswer) Status() int { a.asked++; return a.status }

func (a *fakeAnswer) GRPCStatus() (string, bool) { a.asked++; return a.grpc, a.grpc != "" }

func (a *fakeAnswer) Header(name string) (string, bool) {
	a.asked++
	return a.header, a.header != "" && name == "x-error"
}

func (a *fakeAnswer) Property(path string) (string, bool) {
	a.asked++
	return a.metadata, a.metadata != "" && path == "metadata\x00filter_metadata\x00feishu\x00code"
}

// What another filter has found, as a host hands it out.
func number(n float64) string {
	return string(binary.LittleEndian.AppendUint64(nil, math.Float64bits(n)))
}

// A token is dropped by the answers that the configuration names, and by no other; what is not named is not asked for.
func TestAnswersThatRejectATokenBy(t *testing.T) {
	const feishu = `"invalidateWhen": [{"status": [400], "metadata": "feishu/code", "equals": ["99991663", true]}]`
	for name, test := range map[string]struct {
		cache  string
		answer fakeAnswer
		want   bool
		asked  int // calls of the host
	}{
		"the default":              {``, fakeAnswer{status: 401}, true, 1},
		"another status":           {``, fakeAnswer{status: 400}, false, 1},
		"nothing configured":       {`"invalidateOn": []`, fakeAnswer{status: 401}, false, 0},
		"both":                     {`"invalidateWhen": [{"status": [400]}]`, fakeAnswer{status: 401}, true, 1},
		"a status":                 {`"invalidateOn": [], "invalidateWhen": [{"status": [400]}, {"status": [403, 498]}]`, fakeAnswer{status: 498}, true, 1},
		"gRPC":                     {`"invalidateWhen": [{"grpcStatus": [16]}]`, fakeAnswer{status: 200, grpc: "16"}, true, 3},
		"another of gRPC":          {`"invalidateWhen": [{"grpcStatus": [16]}]`, fakeAnswer{status: 200, grpc: "7"}, false, 3},
		"no gRPC":                  {`"invalidateWhen": [{"grpcStatus": [16]}]`, fakeAnswer{status: 200}, false, 3},
		"no number":                {`"invalidateWhen": [{"grpcStatus": [16]}]`, fakeAnswer{status: 200, grpc: "16a"}, false, 3},
		"a header":                 {`"invalidateWhen": [{"header": "X-Error", "equals": ["a", "expired"]}]`, fakeAnswer{status: 200, header: "expired"}, true, 2},
		"another header":           {`"invalidateWhen": [{"header": "X-Error", "equals": "expired"}]`, fakeAnswer{status: 200, header: "Expired"}, false, 2},
		"no header":                {`"invalidateWhen": [{"header": "X-Error", "equals": ""}]`, fakeAnswer{status: 200}, false, 2},
		"status and header":        {`"invalidateWhen": [{"status": [400], "header": "X-Error", "equals": "expired"}]`, fakeAnswer{status: 500, header: "expired"}, false, 1},
		"gRPC and header":          {`"invalidateWhen": [{"grpcStatus": [16], "header": "X-Error", "equals": "expired"}]`, fakeAnswer{status: 200, grpc: "16"}, false, 4},
		"metadata, a text":         {feishu, fakeAnswer{status: 400, metadata: "99991663"}, true, 2},
		"metadata, a number":       {feishu, fakeAnswer{status: 400, metadata: number(99991663)}, true, 2},
		"metadata, another number": {feishu, fakeAnswer{status: 400, metadata: number(99991664)}, false, 2},
		"metadata, true":           {feishu, fakeAnswer{status: 400, metadata: "\x01"}, true, 2},
		"metadata, false":          {feishu, fakeAnswer{status: 400, metadata: "\x00"}, false, 2},
		"metadata, none":           {feishu, fakeAnswer{status: 400}, false, 2},
		"metadata, another status": {feishu, fakeAnswer{status: 200, metadata: "99991663"}, false, 1},
	} {
		parsed, err := config.Parse([]byte(withCache(test.cache)), func(string) (string, bool) { return "", false }, config.Features{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		answer := test.answer
		policy, metadataChecks := newPart(parsed.Global, "", nil), []*config.Rejection{}
		got := policy.rejectsByHeaders(&answer, false, &metadataChecks) || policy.rejectsByTrailers(&answer, &metadataChecks) ||
			slices.ContainsFunc(metadataChecks, func(r *config.Rejection) bool { return metadataMatches(r, answer.Property) })
		if got != test.want || answer.asked != test.asked {
			t.Errorf("%s: got %v and %d calls of the host, expected %v and %d", name, got, answer.asked, test.want, test.asked)
		}
	}
}
