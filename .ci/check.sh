#!/bin/sh
# The developer's gate: format, vet, lint, dead code, and with the word race all tests under the race detector. Prints
# what is wrong and fails on the first kind of it.
set -eu
cd "$(dirname "$0")/.."
PATH=$PWD/.tools/bin:$PATH

say() { printf '%s\n' "$1" >&2; }

say 'format'
unformatted=$(gofmt -l .)
[ -z "$unformatted" ] || { say "run gofmt -w on: $unformatted"; exit 1; }

say 'modules'
go mod tidy -diff
(cd bench && go mod tidy -diff)

say 'vet'
go vet ./...
(cd bench && go vet ./...)

say 'lint'
staticcheck ./...
(cd bench && staticcheck ./...)

say 'dead code'
# Without -test: a function that only tests reach is dead. s3test is a tool of tests, so most of it may be.
dead=$(deadcode ./... | grep -v '^proxy/s3test/' || true)
[ -z "$dead" ] || { say "$dead"; exit 1; }

[ "${1-}" = race ] || exit 0
say 'race'
go test -race -timeout 25m ./...
