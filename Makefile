# Names for commands. `make` alone prints them.
CARGO ?= cargo
FUZZ_SECONDS ?= 20
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c

.DEFAULT_GOAL := help
.PHONY: help demo demo-down test lint unit fuzz e2e e2e-kind bench manifests deny sbom reproducible

help: ## What there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## See it work: a cluster, a stand-in for AWS, and a pod with its secrets
	@$(CARGO) run --quiet --locked -p e2e -- demo

demo-down: ## Remove what the demo started
	@$(CARGO) run --quiet --locked -p e2e -- demo-down

test: lint unit fuzz e2e ## All checks and tests, on a real cluster
	@echo "==> all checks and tests have passed"

lint: ## Formatting and clippy
	@echo "==> checking the format and clippy's lints"
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --quiet --locked --workspace --all-targets -- -D warnings

unit: ## Tests without a cluster
	@echo "==> running the tests that need no cluster"
	@$(CARGO) test --locked --workspace --exclude e2e

fuzz: ## Random classes and random AdmissionReviews, each for FUZZ_SECONDS (20)
	@for target in class review; do \
	  echo "==> fuzzing with a random $$target for $(FUZZ_SECONDS) s"; \
	  tests/fuzz/run $$target $(FUZZ_SECONDS) 2>&1 | grep -E '^(stat|Done|error|==>)|SUMMARY|ERROR|panicked' || exit 1; \
	done

e2e: ## The scenarios on a real cluster; E2E_KEEP=1 leaves it running
	@echo "==> running the end-to-end scenarios"
	@$(CARGO) test --locked -p e2e

e2e-kind: ## The same scenarios on a cluster of kind (needs a Docker engine and kind)
	@docker version --format '==> kind, on Docker {{.Server.Version}}' && kind version
	@$(CARGO) test --locked -p e2e

bench: ## Measures all that docs/performance.md says, and writes it; ONLY=files,cost some of it
	@$(CARGO) run --quiet --locked --profile e2e -p bench -- $(if $(ONLY),--only $(ONLY))

manifests: ## install.yaml and crd.yaml anew, from the Helm chart
	@$(CARGO) run --quiet --locked -p e2e -- manifests

deny: ## Licenses, advisories and sources of all dependencies (needs cargo-deny)
	@$(CARGO) deny --locked check

sbom: ## What the programs are made of, into target/sbom (needs cargo-cyclonedx)
	@.ci/sbom target/sbom

reproducible: ## Builds the programs twice, in two folders, and compares (takes 15 minutes)
	@.ci/reproducible
