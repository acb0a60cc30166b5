package hostile_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// neighbour is a plugin that shares the space of shared data with this one, as all of them do in Higress.
type neighbour struct {
	gateway *harness.Gateway
	t       *testing.T
}

const (
	neighbourWorkers = 4
	sharedSpace      = "shared" // vm_id of both
)

// neighbourFilter is the filter of a plugin that has the same space of shared data, and runs before this one.
func neighbourFilter(t *testing.T) any {
	t.Helper()
	module := filepath.Join(t.TempDir(), "neighbour.wasm")
	if output, err := exec.Command("../../tools/build", "-o", module, "./neighbour").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return map[string]any{"name": "neighbour", "typed_config": map[string]any{
		"@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
		"config": map[string]any{"name": "neighbour", "root_id": "neighbour", "vm_config": map[string]any{
			"vm_id": sharedSpace, "runtime": "envoy.wasm.runtime.v8", "code": map[string]any{"local": map[string]any{"filename": module}},
		}},
	}}
}

func startNeighbour(t *testing.T, config harness.Config) *neighbour {
	t.Helper()
	gateway := harness.Start(t, harness.Options{
		Workers: neighbourWorkers, FirstFilters: []any{neighbourFilter(t)}, VMID: sharedSpace, WasmLog: "warning", Config: config,
	})
	return &neighbour{gateway, t}
}

// read is the value of a key of shared data.
func (n *neighbour) read(key string) []byte {
	n.t.Helper()
	answer := n.gateway.Get(n.t, "/neighbour/"+key)
	data, err := hex.DecodeString(answer.Body)
	if answer.Status != http.StatusOK || err != nil {
		return nil
	}
	return data
}

func (n *neighbour) write(key string, data []byte) {
	n.t.Helper()
	if answer := n.gateway.Post(n.t, "/neighbour/"+key, hex.EncodeToString(data)); answer.Status != http.StatusOK {
		n.t.Fatalf("the neighbour was answered %d %q", answer.Status, answer.Body)
	}
}

// sharedPrefix finds in the plugin's source how its keys of shared data begin.
var sharedPrefix = regexp.MustCompile(`(?:common|caller)Prefix = "(.+)"`)

// buckets are all of the plugin's keys, with their values.
func (n *neighbour) buckets() map[string][]byte {
	n.t.Helper()
	source := harness.ReadProjectFile(n.t, "internal", "share", "shared_data.go")
	buckets := map[string][]byte{}
	for _, prefix := range sharedPrefix.FindAllSubmatch(source, -1) {
		for number := range 256 {
			key := string(prefix[1]) + strconv.Itoa(number)
			if data := n.read(key); len(data) > 0 {
				buckets[key] = data
			}
		}
	}
	if len(buckets) == 0 {
		n.t.Fatal("the neighbour has read nothing, want what the workers share")
	}
	return buckets
}

// neighbourConfig has a common token at the host common, and callers' tokens at callers.
func neighbourConfig(more harness.Config) harness.Config {
	return harness.ByHost(map[string]harness.Config{
		"common": harness.Merge(harness.PlainConfig(harness.Config{
			"requestPath": "/common", "requestHeaders": map[string]string{"X-Credential": harness.SecretMark + "-credential"}, "cache": harness.Config{"ttl": 300, "maxEntries": 16},
		}), more),
		"other": harness.Merge(harness.PlainConfig(harness.Config{
			"requestPath": "/other", "requestHeaders": map[string]string{"X-Credential": harness.SecretMark + "-credential"}, "cache": harness.Config{"ttl": 300},
		}), more),
		"callers": harness.Merge(harness.PlainConfig(harness.Config{
			"requestPath": "/callers", "forwardHeaders": []string{"X-User"}, "cache": harness.Config{"ttl": 300, "maxEntries": 16},
		}), more),
	})
}

// tokenBy is the status and the token that the upstream was sent, of a request of a worker.
func (n *neighbour) tokenBy(client *http.Client, host string, headers ...string) string {
	n.t.Helper()
	answer, err := harness.Send(client, n.gateway.Request(n.t, http.MethodGet, "/", "", append(headers, "Host: "+host)...))
	if err != nil {
		n.t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", answer.Status, n.gateway.Upstream.Last(n.t).Header.Get("X-Token"))
}

func TestNeighbour(t *testing.T) {
	t.Parallel()
	n := startNeighbour(t, neighbourConfig(nil))
	n.gateway.Token.Handle((&harness.TokenIssuer{}).Answer(300))
	clients := n.gateway.WorkerClients(t)
	t.Run("reads", func(t *testing.T) { n.checkReads(t, clients) })
	t.Run("replaces", func(t *testing.T) { n.checkReplaces(t, clients) })
}

// checkReads: a neighbour that reads all that is shared finds neither a token nor a secret nor a caller.
func (n *neighbour) checkReads(t *testing.T, clients []*http.Client) {
	for _, client := range clients {
		n.tokenBy(client, "common")
		n.tokenBy(client, "callers", "X-User: "+harness.SecretMark+"-alice")
	}
	buckets := n.buckets()
	if len(buckets) < 2 {
		t.Fatalf("the neighbour has read %d keys, want that of the common token and that of the caller", len(buckets))
	}
	for key, data := range buckets {
		if bytes.Contains(data, []byte(harness.SecretMark)) || bytes.Contains(data, []byte("X-")) {
			t.Errorf("%s shows what it should not: %q", key, data)
		}
	}
}

// checkReplaces: a plugin that replaces shared records only costs token calls; each request still gets the right token.
func (n *neighbour) checkReplaces(t *testing.T, clients []*http.Client) {
	for _, host := range []string{"common", "other"} {
		n.tokenBy(clients[0], host)
	}
	before := n.buckets()
	var all []byte
	for _, data := range before {
		all = append(all, data...)
	}
	replacements := map[string]func([]byte) []byte{
		"nothing":          func([]byte) []byte { return nil },
		"zeros":            func(data []byte) []byte { return make([]byte, len(data)) },
		"the half":         func(data []byte) []byte { return data[:len(data)/2] },
		"a bit":            func(data []byte) []byte { data[len(data)-3] ^= 1; return data },
		"the head":         func(data []byte) []byte { data[4] ^= 0x80; return data },
		"all of them":      func([]byte) []byte { return all },
		"twice":            func(data []byte) []byte { return append(data, data...) },
		"a huge length":    func(data []byte) []byte { return append(bytes.Repeat([]byte{0xff}, 9), data...) },
		"a megabyte":       func([]byte) []byte { return bytes.Repeat([]byte("x"), 400<<10) },
		"a negative times": func(data []byte) []byte { return append([]byte{data[0]}, bytes.Repeat([]byte{0xff}, len(data)-1)...) },
	}
	fresh := 0
	for name, replace := range replacements {
		t.Run(name, func(t *testing.T) {
			for key, data := range before {
				n.write(key, replace(bytes.Clone(data)))
			}
			for number, client := range clients {
				for _, host := range []string{"common", "other"} {
					if got := n.tokenBy(client, host); !strings.HasPrefix(got, "200 "+harness.SecretMark+"-"+host+"-") {
						t.Errorf("worker %d, %s: %s, want its own token", number, host, got)
					}
				}
			}
			// A new caller has to look in shared data.
			fresh++
			if got := n.tokenBy(clients[fresh%neighbourWorkers], "callers", fmt.Sprintf("X-User: user-%d", fresh)); !strings.HasPrefix(got, "200 "+harness.SecretMark+"-callers-") {
				t.Errorf("a new caller: %s, want a token", got)
			}
		})
	}
}

// A neighbour that puts back an older record has a token used again that was rejected: by workers that have no other, until
// its end or their upstream's next answer, whichever is first. Workers that know better are not moved.
func TestNeighbourReplays(t *testing.T) {
	t.Parallel()
	const lifetime = 20 * time.Second
	n := startNeighbour(t, neighbourConfig(harness.Config{"cache": harness.Config{"refreshBefore": 0, "backoff": 1}}))
	tokens := &harness.TokenIssuer{}
	n.gateway.Token.Handle(tokens.Answer(lifetime.Seconds()))
	first, second := harness.IssuedToken("common", 1), harness.IssuedToken("common", 2)
	clients := n.gateway.WorkerClients(t)
	began := time.Now()
	n.tokenBy(clients[0], "common")
	replayed := n.buckets()
	n.gateway.Upstream.Respond(func(r *http.Request) int {
		if r.Header.Get("X-Token") == first {
			return http.StatusUnauthorized // it is revoked
		}
		return http.StatusOK
	})
	n.tokenBy(clients[0], "common")
	if got := n.tokenBy(clients[0], "common"); got != "200 "+second {
		t.Fatalf("after the rejection: %s, want the second token", got)
	}

	replay := func() {
		for key, data := range replayed {
			n.write(key, data)
		}
	}
	replay()
	if got := n.tokenBy(clients[0], "common"); got != "200 "+second {
		t.Errorf("the worker that has the second token: %s, want that", got)
	}
	if got := n.tokenBy(clients[1], "common"); got != "401 "+first {
		t.Errorf("a worker that has none: %s, want the record that was replayed, once", got)
	}
	if got := n.tokenBy(clients[1], "common"); !strings.HasPrefix(got, "200 ") {
		t.Errorf("the same worker, after its upstream's 401: %s, want another token", got)
	}
	replay()
	if got := n.tokenBy(clients[1], "common"); !strings.HasPrefix(got, "200 ") {
		t.Errorf("the same worker, after another replay: %s, want the token that it has", got)
	}

	time.Sleep(time.Until(began.Add(lifetime + time.Second)))
	replay()
	for number, client := range clients {
		if got := n.tokenBy(client, "common"); !strings.HasPrefix(got, "200 ") {
			t.Errorf("worker %d, after the end of the token that is replayed: %s, want a new one", number, got)
		}
	}
}
