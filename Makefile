# The two commands: `make run` and `make test`. Both set up what they need first; running again changes nothing.

SHELL := /bin/bash
.DEFAULT_GOAL := help
export PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD := 1
export PATH := $(HOME)/.cargo/bin:$(CURDIR)/.tools/bin:$(CURDIR)/node_modules/.bin:$(PATH)

.PHONY: help run test watch build fmt lint setup setup-test deny shots bytes api html hostile fuzz latency faults figures lab

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

run: build ## Build the release and serve http://localhost:3000
	@exec target/release/holdfast

test: setup-test ## Everything: format, lints, unit tests, simulator, server, WASM, browsers
	@scripts/test

watch: setup ## Rebuild and reload on every change
	@rm -f target/.release-built # The watched build goes to the same folder.
	LEPTOS_HASH_FILES=false cargo leptos watch

build: setup ## Build the release server and client
	@scripts/step "release build (first time: some minutes)" scripts/build

fmt: setup ## Format the code
	cargo fmt --all

lint: setup-test ## Format check, clippy for each package, spelling, dependencies
	@scripts/lint

setup: ## Install what building needs
	@scripts/setup build

setup-test: ## Install what testing needs
	@scripts/setup test

shots: build setup-test ## Take the screenshots of docs/TESTING.md into end2end/shots
	node end2end/shots.mjs

faults: setup-test ## Every fault in its long form (about an hour); prints the figures of docs/RESULTS.md
	@scripts/build-ferretdb
	HOLDFAST_LONG=1 cargo test --release -p server --test nodes --test herd --test faults_log --test faults_archive --test nemesis -- --nocapture --test-threads=1

figures: setup-test ## Latency to everyone, throughput, archive; prints the figures of docs/RESULTS.md
	@scripts/build-ferretdb
	cargo test --release -p server --test figures -- --ignored --nocapture

lab: build setup-test ## The lab in its long form (some hours); prints what people experienced
	@scripts/build-ferretdb
	cargo build --quiet -p netlab
	node end2end/lab/lab.mjs --must --long

bytes: build ## Print what a first visit to a room costs
	node end2end/bytes.mjs

api: build setup-test ## Check the API's description and whether it is true (EXAMPLES=200 SEED=2 for more)
	node end2end/api.mjs

html: build setup-test ## Check the HTML of every page
	node end2end/html.mjs

hostile: setup-test ## The hostile input in its long form: 100,000 seeds for each target
	HOSTILE_RUNS=100000 cargo test -p holdfast -p server --test hostile

fuzz: setup ## Fuzz each target for a minute; prints what it reached, and fails if it found something
	@scripts/fuzz

latency: build setup-test ## Measure the figures of docs/RESULTS.md
	node end2end/latency.mjs
