# Stowage: `make help` lists the targets.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-builtin-rules
.DEFAULT_GOAL := build
.NOTPARALLEL:
.ONESHELL:

VERSION  ?= $(shell tools/version)
FUZZTIME ?= 10s
# What `make breaking` compares proto/ with; empty means the main branch.
BASE     ?=

TOOL  := go tool -modfile=tools/go.mod
# Without cgo the binaries run on any Linux of their architecture. The version
# comes from VERSION, so the build needs no git.
BUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)'

##@ Build and run

.PHONY: build
build: ## Build bin/stowage and bin/plugins/stowage-plugin-*
	@umask 022 # a group-writable plugin folder is refused at launch
	mkdir -p bin/plugins
	$(BUILD) -o bin/stowage ./cmd/stowage
	for dir in plugins/*/; do
		name=$$(basename "$$dir")
		[ "$$(go list -f '{{.Name}}' "./$$dir")" = main ] || continue
		$(BUILD) -o "bin/plugins/stowage-plugin-$$name" "./$$dir"
	done

.PHONY: run
run: build ## Build, then serve with config.hcl.example
	bin/stowage serve --config config.hcl.example

.PHONY: demo
demo: build ## Copy a real tree through the host while its plugin is killed
	go run ./internal/demo

.PHONY: chaos
chaos: build ## Kill plugins and the host for five minutes under load, then compare the replicas
	go run ./internal/chaos

.PHONY: bench
bench: build ## Measure transports, policies and the plugin supabase beside simpler ways
	@tools/need initdb
	go run ./internal/bench

##@ Change

.PHONY: fmt
fmt: ## Format the Go and .proto files
	$(TOOL) gofumpt -w .
	$(TOOL) buf format -w proto

.PHONY: generate
generate: ## Regenerate the Go beside the .proto files
	tools/proto-generate

.PHONY: tidy
tidy: ## Tidy go.mod and tools/go.mod
	go mod tidy
	cd tools && go mod tidy

##@ Check

.PHONY: test
test: ## Run every test with the race detector
	@umask 022
	tools/need gcc jq curl initdb node npm
	CGO_ENABLED=1 go test -race -count=1 -parallel 4 -timeout 15m ./...

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (10s)
	tools/fuzz $(FUZZTIME)

.PHONY: lint
lint: ## Formatting, linters, go vet and buf lint
	@unformatted=$$($(TOOL) gofumpt -l .)
	if [ -n "$$unformatted" ]; then
		$(TOOL) gofumpt -d $$unformatted || true
		echo "not formatted: run 'make fmt'" >&2
		exit 1
	fi
	$(TOOL) golangci-lint run --allow-serial-runners --config tools/golangci.yml ./...
	go vet ./...
	$(TOOL) buf lint proto
	$(TOOL) buf format --diff --exit-code proto

.PHONY: breaking
breaking: ## Compare proto/ with BASE (the main branch) for breaking changes
	@BASE='$(BASE)' tools/proto-breaking

.PHONY: generated
generated: ## Fail if the generated code is out of date
	@tools/proto-generate --check

.PHONY: tidied
tidied: ## Fail if go.mod or go.sum are not tidy
	go mod tidy -diff

.PHONY: check
check: ## All that CI demands: lint, breaking, generated, tidied, test
	@tools/need git
	tools/unchanged $(MAKE) --no-print-directory lint breaking generated tidied test

.PHONY: vuln
vuln: ## Report known vulnerabilities that the code reaches (needs the network)
	$(TOOL) govulncheck ./...

##@ Housekeeping

.PHONY: clean
clean: ## Remove bin/
	rm -rf bin

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
