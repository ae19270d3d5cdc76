# `make help` says what there is. Go, git and gcc (for the race detector) are
# all it needs: the tools are Go modules, built once into bin/.

# A go.work further up must not change what is built.
export GOWORK := off

GO       ?= go
FUZZTIME ?= 20s

# Empty outside a git checkout of this very tree, and then "dev".
VERSION ?= $(or $(shell git --git-dir=.git --work-tree=. describe --tags --always --dirty 2>/dev/null),dev)

# Every module here, and those of them that hold Go code.
MODULES    := $(patsubst %/,%,$(dir $(wildcard ./go.mod e2e/go.mod loadtest/go.mod internal/tools/go.mod internal/tools/opa/go.mod)))
GO_MODULES := $(filter-out internal/tools/opa,$(MODULES))

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/verdict, a static binary.
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ ./cmd/verdict

.PHONY: test
test: ## Run the unit, handler and Rego tests under the race detector, fuzz seeds included.
	CGO_ENABLED=1 $(GO) test -race -timeout 20m ./...

.PHONY: fuzz
fuzz: ## Fuzz each target for FUZZTIME (20s).
	@listed=$$($(GO) test -list '^Fuzz' ./...) || { echo "$$listed"; exit 1; }; \
	echo "$$listed" | awk '/^Fuzz/ {names[++n] = $$1} /^ok/ {for (i = 1; i <= n; i++) print $$2, names[i]; n = 0}' | \
	while read -r package target; do \
		echo "$(GO) test -run '^$$' -fuzz '^$$target\$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$package" || exit 1; \
	done

.PHONY: lint lint-go lint-rego lint-modules lint-rules
lint: lint-modules lint-rego lint-rules lint-go ## Check Go and Rego code, formatting, import directions and modules.

lint-go: $(addprefix lint-go@,$(GO_MODULES)) ## Check the Go code of every module (golangci-lint).

lint-rego: bin/opa ## Check the Rego code (opa fmt, opa check).
	bin/opa fmt --diff --fail rego
	bin/opa check --strict rego

lint-modules: $(addprefix tidy@,$(MODULES)) ## Check that every go.mod and go.sum is tidy.

lint-rules: bin/golangci-lint ## Test that the import rules catch what they forbid.
	$(GO) -C internal/tools test -count=1 ./...

.PHONY: $(addprefix lint-go@,$(GO_MODULES)) $(addprefix tidy@,$(MODULES))
$(addprefix lint-go@,$(GO_MODULES)): lint-go@%: bin/golangci-lint
	cd $* && $(CURDIR)/bin/golangci-lint run --config $(CURDIR)/.golangci.yml ./...

$(addprefix tidy@,$(MODULES)): tidy@%:
	$(GO) -C $* mod tidy -diff

.PHONY: fmt
fmt: bin/golangci-lint bin/opa ## Format Go and Rego code.
	bin/golangci-lint fmt
	bin/opa fmt --write rego

.PHONY: e2e
e2e: ## Test against a real control plane, built from Go modules on first use.
	$(GO) -C e2e test -count=1 -timeout 30m ./...

.PHONY: test-loadtest
test-loadtest: ## Test the load generator.
	$(GO) -C loadtest test -timeout 20m ./...

.PHONY: bench
bench: ## Run the load generator and the side-by-side benchmarks.
	$(GO) -C loadtest run .

.PHONY: demo
demo: ## Run that control plane wired to verdict until Ctrl-C.
	$(GO) -C e2e run ./cmd/demo

.PHONY: tools
tools: bin/golangci-lint bin/opa ## Build the pinned tools into bin/.

bin/golangci-lint: internal/tools/go.mod internal/tools/go.sum
	$(GO) -C internal/tools build -trimpath -o ../../bin/ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

bin/opa: internal/tools/opa/go.mod internal/tools/opa/go.sum
	$(GO) -C internal/tools/opa build -trimpath -o ../../../bin/ github.com/open-policy-agent/opa

.PHONY: clean
clean: ## Remove what was built here, the control plane's binaries included.
	rm -rf bin e2e/.cache loadtest/.cache
