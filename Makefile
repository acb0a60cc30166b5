GO    ?= go
BUILD := build
WASM  := GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -buildmode=c-shared

GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# Callbacks of the SDK that the plugin has no use for. Envoy skips the entry into
# the VM for one that is not exported.
KEEP_OUT := proxy_on_new_connection,proxy_on_downstream_data,proxy_on_downstream_connection_close,$\
proxy_on_upstream_data,proxy_on_upstream_connection_close,proxy_on_request_body,proxy_on_request_trailers,$\
proxy_on_response_body,proxy_on_response_trailers,proxy_on_redis_call_response

PLUGIN_SOURCES := $(filter-out %_test.go,$(wildcard *.go)) go.mod go.sum $(wildcard tools/*/*.go)

# ---------------------------------------------------------------------- build

.PHONY: build
build: main.wasm ## main.wasm, for the Higress gateway and for stock Envoy (the default)

main.wasm: $(PLUGIN_SOURCES) Makefile | needs-go
	$(WASM) -o $(BUILD)/linked.wasm .
	$(GO) run ./tools/exports -keep-out $(KEEP_OUT) -in $(BUILD)/linked.wasm -out $@

.PHONY: needs-go
needs-go:
	@command -v $(GO) >/dev/null || { echo "Go is missing: install Go 1.24.1 or later, https://go.dev/dl"; exit 1; }

.PHONY: help
help: ## this text
	@sed -n 's/^\([a-z-]*\):.* ## /\1\t/p' $(MAKEFILE_LIST) | sort | expand -t 12
