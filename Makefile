# `make run` and `make test` need Go and nothing else.
GO ?= go

.PHONY: run test check bench build clean

build: ## the yatagarasu binary
	$(GO) build -trimpath -o yatagarasu .

run: build ## serve sample objects from an embedded S3
	./yatagarasu -dev -config config.yaml

test: ## everything, against real S3 servers too (installed into .tools the first time)
	.ci/tools.sh servers
	$(GO) test -timeout 14m ./...
	cd bench && $(GO) test ./...

check: ## the gate before a commit: format, vet, lint, dead code, race
	.ci/tools.sh
	.ci/check.sh race

bench: ## how fast the parts are
	$(GO) test -run '^$$' -bench . ./...
	cd bench && $(GO) test -run '^$$' -bench . ./...

clean:
	rm -rf yatagarasu .tools
