# Short names for commands. `make` without arguments lists them.
CARGO ?= cargo
FUZZ_SECONDS ?= 20
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c

.DEFAULT_GOAL := help
.PHONY: help demo demo-down test preflight preflight-cluster lint unit fuzz e2e long oldest upgrade soak bench manifests deny sbom reproducible

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# `--bin` without a package: cargo chooses the features of the whole workspace, so that nothing is compiled twice.
demo: preflight-cluster ## Run the demo: a cluster, an AWS stand-in, and a pod with secrets
	@echo "==> compiling the demo"
	@$(CARGO) run --quiet --locked --bin e2e -- demo

demo-down: ## Remove the demo
	@$(CARGO) run --quiet --locked --bin e2e -- demo-down

test: preflight-cluster lint unit e2e ## Run all checks and tests, including those on a cluster
	@echo "==> all checks and tests passed"

# Nothing is built on a machine that lacks something.
preflight:
	@tests/preflight

preflight-cluster:
	@tests/preflight cluster

# "All targets" are only those that cargo tests by default.
lint: preflight ## Check formatting and run clippy
	@echo "==> checking formatting and running clippy"
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --quiet --locked --workspace --all-targets -- -D warnings
	@$(CARGO) clippy --quiet --locked --workspace --test scenarios --test oldest -- -D warnings

# More tests than cores at once: those of the injector wait for retries and refreshes most of the time.
# Always the whole workspace: for a single package cargo would choose other features, and compile most crates a second time.
unit: export RUST_TEST_THREADS ?= $(shell echo $$((4 * $$(getconf _NPROCESSORS_ONLN))))
unit: preflight ## Run the tests that need no cluster
	@echo "==> running the tests that need no cluster"
	@$(CARGO) test --locked --workspace

fuzz: ## Fuzz classes and AdmissionReviews, each for FUZZ_SECONDS (20)
	@for target in class review; do \
	  echo "==> fuzzing $$target for $(FUZZ_SECONDS) s"; \
	  tests/fuzz/run $$target $(FUZZ_SECONDS) 2>&1 | grep -E '^(stat|Done|error|==>)|SUMMARY|ERROR|panicked' || exit 1; \
	done

e2e: preflight-cluster ## Run the scenarios on a cluster; E2E_KEEP=1 keeps it running
	@echo "==> running the end-to-end scenarios"
	@$(CARGO) test --locked --workspace --test scenarios

# CI runs it every night and before a release.
long: export PROPTEST_CASES ?= 5000
long: export E2E_LONG ?= 1
long: FUZZ_SECONDS = 900
long: unit fuzz e2e ## Search for longer than `make test` can: fuzzing, many random cases, long scenarios

oldest: ## Test the installation on the API server of the oldest supported Kubernetes version
	@$(CARGO) test --locked --workspace --test oldest

upgrade: ## Upgrade from the chart of an earlier commit, and back, under load: FROM=COMMIT
	@$(CARGO) run --quiet --locked --bin e2e -- upgrade $(FROM)

soak: ## Load and trouble on a cluster for two hours, and write docs/soak.md; MINUTES=10 for less
	@$(CARGO) run --quiet --locked --profile e2e -p bench -- soak $(if $(MINUTES),--minutes $(MINUTES))

bench: ## Run the benchmarks and write docs/performance.md; ONLY=fetch,pods runs some
	@$(CARGO) run --quiet --locked --profile e2e -p bench -- $(if $(ONLY),--only $(ONLY))

manifests: ## Render install.yaml and crd.yaml from the Helm chart
	@$(CARGO) run --quiet --locked --bin e2e -- manifests

deny: ## Check licenses, advisories and sources of all dependencies (needs cargo-deny)
	@$(CARGO) deny --locked check

sbom: ## Write SBOMs of the programs to target/sbom (needs cargo-cyclonedx)
	@.ci/sbom target/sbom

reproducible: ## Build the programs twice and compare them (takes 15 minutes)
	@.ci/reproducible
