#!/bin/sh
# Installs the pinned tools that tests and linters need into .tools/bin, and
# does nothing, offline too, for a tool whose pinned version is there.
#
#   .ci/tools.sh servers    real S3 servers for conformance tests
#   .ci/tools.sh lint       linters
#   .ci/tools.sh            all
set -eu

bin=$(cd "$(dirname "$0")/.." && pwd)/.tools/bin

# build_of prints module@version as the binary itself records it; nothing for
# a file that is missing or was cut short.
build_of() {
	go version -m "$1" 2>/dev/null | awk '$1 == "mod" { print $2 "@" $3 }'
}

# install_tool module package version: the binary is named after the package.
install_tool() {
	name=${2##*/}
	if [ "$(build_of "$bin/$name")" = "$1@$3" ]; then
		echo "$name $3 is installed"
		return
	fi
	mkdir -p "$bin"
	# Built aside and moved whole, so that an interruption leaves no half tool.
	aside=$(mktemp -d "$bin/../build.XXXXXX")
	trap 'rm -rf "$aside"' EXIT
	trap 'exit 130' INT TERM
	if ! GOBIN=$aside GOFLAGS=-mod=mod go install "$2@$3" >"$aside/log" 2>&1; then
		cat "$aside/log" >&2
		echo "cannot install $name $3" >&2
		exit 1
	fi
	mv -f "$aside/$name" "$bin/$name"
	rm -rf "$aside"
	echo "$name $3 installed"
}

servers() {
	install_tool github.com/versity/versitygw github.com/versity/versitygw/cmd/versitygw v1.8.0
	# MinIO is AGPL: run by tests, never linked.
	install_tool github.com/minio/minio github.com/minio/minio v0.0.0-20260212201848-7aac2a2c5b7c
}

lint() {
	install_tool honnef.co/go/tools honnef.co/go/tools/cmd/staticcheck v0.8.2
	install_tool golang.org/x/tools golang.org/x/tools/cmd/deadcode v0.52.0
}

case "${1-all}" in
servers) servers ;;
lint) lint ;;
all)
	servers
	lint
	;;
*)
	echo "usage: $0 [servers|lint]" >&2
	exit 2
	;;
esac
