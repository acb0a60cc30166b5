package main

import (
	"bytes"
	"fmt"
	"strings"
)

// fate is what becomes of an export of the linked file.
type fate int

const (
	kept     fate = iota
	cut           // the host enters the VM for each callback that is exported, also for one that does nothing
	replaced      // by the export of internal/abi that has the prefix before its name
	ofRedis       // kept in the file that calls Redis, and cut from the other
)

// ownPrefix is before the names of the callbacks of internal/abi: the linker does not let a program export a
// function under a name that one of its packages has taken.
const ownPrefix = "own_"

// exports is all that the linked file may export. One that is missing here, or there, fails the build: a new
// version of the SDK has changed its callbacks, and somebody must decide.
var exports = []struct {
	name string
	fate fate
	why  string
}{
	{"_initialize", kept, "starts Go's runtime"},
	{"memory", kept, "hosts read and write it"},
	{"proxy_on_memory_allocate", kept, "hosts put there what they hand out"},
	{"proxy_abi_version_0_2_1", kept, "stock Envoy asks for it; before the other marker, so that Higress takes it as well"},
	{"proxy_abi_version_0_2_100", kept, "the marker of the SDK, for Higress"},

	{"proxy_on_vm_start", kept, "the SDK's start"},
	{"proxy_on_configure", kept, "the configuration"},
	{"proxy_on_tick", kept, "renewal, time-outs, metrics, batches"},
	{"proxy_on_http_call_response", kept, "answers of token services"},

	{"proxy_on_context_create", replaced, "requests, and configurations"},
	{"proxy_on_request_headers", replaced, "sets the token"},
	{"proxy_on_request_trailers", replaced, "takes the token header out of them"},
	{"proxy_on_response_headers", replaced, "the upstream's verdict on the token"},
	{"proxy_on_response_trailers", replaced, "the same of gRPC"},
	{"proxy_on_delete", replaced, "forgets requests, and configurations"},

	{"proxy_on_done", cut, "proxy_on_delete has all that there is to know"},
	{"proxy_on_log", cut, "not called in the upstream filter chain; proxy_on_delete is"},
	{"proxy_on_request_body", cut, "paused with the headers, and never read"},
	{"proxy_on_response_body", cut, "never read"},
	{"proxy_on_redis_call_response", ofRedis, "what Redis answers"},
	{"proxy_on_queue_ready", cut, "no queue is registered"},
	{"proxy_on_new_connection", cut, "a filter of TCP connections"},
	{"proxy_on_downstream_data", cut, "a filter of TCP connections"},
	{"proxy_on_downstream_connection_close", cut, "a filter of TCP connections"},
	{"proxy_on_upstream_data", cut, "a filter of TCP connections"},
	{"proxy_on_upstream_connection_close", cut, "a filter of TCP connections"},
}

// applyExports makes the exports of the linked module those of the list.
func applyExports(linked []byte) ([]byte, error) {
	before, found, after, err := splitAtExports(linked)
	if err != nil {
		return nil, err
	}
	if err := checkExports(found); err != nil {
		return nil, err
	}
	isGone := map[string]bool{}
	for _, e := range exports {
		isGone[e.name] = e.fate == cut || e.fate == replaced || e.fate == ofRedis && !callsRedis(linked)
	}
	var kept []export
	for _, e := range found {
		if !isGone[e.name] {
			kept = append(kept, export{strings.TrimPrefix(e.name, ownPrefix), e.target})
		}
	}
	return join(before, kept, after), nil
}

// callsRedis reports whether the module has that import, whose name stands after that of the host's module.
func callsRedis(module []byte) bool {
	return bytes.Contains(module, appendSized(appendSized(nil, []byte("env")), []byte("proxy_redis_call")))
}

// checkExports reports an export that the list does not know, or one of the list that is not there.
func checkExports(found []export) error {
	missing := map[string]bool{}
	for _, e := range exports {
		missing[e.name] = true
		if e.fate == replaced {
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
