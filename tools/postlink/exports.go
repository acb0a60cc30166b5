package main

import (
	"bytes"
	"fmt"
	"strings"
)

// disposition is what happens to an export of the linked file.
type disposition int

const (
	kept      disposition = iota
	removed               // the host enters the VM for every exported callback, even if it does nothing
	replaced              // by the export of internal/abi with ownPrefix
	redisOnly             // kept in the file that calls Redis, removed from the other
)

// ownPrefix precedes the names of internal/abi's callbacks: the linker does not allow a program to export a function
// under a name that one of its packages exports.
const ownPrefix = "own_"

// exports lists everything that the linked file must export, and nothing else. Any difference fails the build: a new
// version of the SDK has changed its callbacks, and someone must decide what to do.
var exports = []struct {
	name        string
	disposition disposition
	why         string
}{
	{"_initialize", kept, "starts Go's runtime"},
	{"memory", kept, "hosts read and write it"},
	{"proxy_on_memory_allocate", kept, "hosts allocate what they return"},
	{"proxy_abi_version_0_2_1", kept, "ABI marker for stock Envoy; before the other one, so that Higress accepts it too"},
	{"proxy_abi_version_0_2_100", kept, "ABI marker of the SDK, for Higress"},

	{"proxy_on_vm_start", kept, "starts the SDK"},
	{"proxy_on_configure", kept, "reads the configuration"},
	{"proxy_on_tick", kept, "renewal, timeouts, metrics, batches"},
	{"proxy_on_http_call_response", kept, "responses of token services"},

	{"proxy_on_context_create", replaced, "creates requests and configurations"},
	{"proxy_on_request_headers", replaced, "sets the token"},
	{"proxy_on_request_trailers", replaced, "removes the token header from trailers"},
	{"proxy_on_response_headers", replaced, "checks whether the upstream rejects the token"},
	{"proxy_on_response_trailers", replaced, "the same for gRPC"},
	{"proxy_on_delete", replaced, "deletes requests and configurations"},

	{"proxy_on_done", removed, "proxy_on_delete is enough"},
	{"proxy_on_log", removed, "not called for upstream filters; proxy_on_delete is"},
	{"proxy_on_request_body", removed, "held back while paused, and never read"},
	{"proxy_on_response_body", removed, "never read"},
	{"proxy_on_redis_call_response", redisOnly, "replies of Redis"},
	{"proxy_on_queue_ready", removed, "no queue is registered"},
	{"proxy_on_new_connection", removed, "for TCP filters"},
	{"proxy_on_downstream_data", removed, "for TCP filters"},
	{"proxy_on_downstream_connection_close", removed, "for TCP filters"},
	{"proxy_on_upstream_data", removed, "for TCP filters"},
	{"proxy_on_upstream_connection_close", removed, "for TCP filters"},
}

// applyExports turns the exports of the linked module into those of the list.
func applyExports(linked []byte) ([]byte, error) {
	before, found, after, err := splitAtExports(linked)
	if err != nil {
		return nil, err
	}
	if err := checkExports(found); err != nil {
		return nil, err
	}
	isRemoved := map[string]bool{}
	for _, e := range exports {
		isRemoved[e.name] = e.disposition == removed || e.disposition == replaced || e.disposition == redisOnly && !callsRedis(linked)
	}
	var kept []export
	for _, e := range found {
		if !isRemoved[e.name] {
			kept = append(kept, export{strings.TrimPrefix(e.name, ownPrefix), e.target})
		}
	}
	return join(before, kept, after), nil
}

// callsRedis reports whether the module imports the Redis call. An import's name follows that of the host's module.
func callsRedis(module []byte) bool {
	return bytes.Contains(module, appendSized(appendSized(nil, []byte("env")), []byte("proxy_redis_call")))
}

// checkExports reports an export that is not in the list, or one of the list that is missing.
func checkExports(found []export) error {
	missing := map[string]bool{}
	for _, e := range exports {
		missing[e.name] = true
		if e.disposition == replaced {
			missing[ownPrefix+e.name] = true
		}
	}
	for _, e := range found {
		if !missing[e.name] {
			return fmt.Errorf("the linked file exports %q, which the list in tools/postlink/exports.go does not know", e.name)
		}
		delete(missing, e.name)
	}
	for name := range missing {
		return fmt.Errorf("the linked file does not export %q, which the list in tools/postlink/exports.go has", name)
	}
	return nil
}
