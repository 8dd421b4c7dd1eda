#!/bin/bash
# install-deps.sh [build|run|test|lint|bench|fuzz|arm64] - Debian packages for one purpose, only what is missing.
#
#   build   compile wrata and its agent            run    build, and what `make demo` uses
#   test    run, and what `make test` uses         lint   test, and clang-tidy
#   bench   run, and the contenders of `make bench`
#   fuzz    build, clang and libFuzzer
#   arm64   build, and a C library for the agent of arm64 machines (kept under build/, no root needed for it)
#
# When nothing is missing it asks nobody and returns at once. WRATA_SKIP_DEPS=1 skips it.
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:-build}

build="build-essential cmake ninja-build pkg-config libuv1-dev libmicrohttpd-dev libgnutls28-dev libjansson-dev
    libcurl4-openssl-dev libsqlite3-dev libsodium-dev libyaml-dev zlib1g-dev libpcre2-dev uthash-dev musl-tools"
run="$build git openssh-client ca-certificates curl tzdata ruby ruby-rspec bundler"
test="$run git-lfs libcmocka-dev clang-format cppcheck python3 openssl openssh-server iproute2 nftables catatonit chromium
    wrk python3-pytest python3-pytest-xdist podman netavark runc iptables debootstrap"
lint="$test clang-tidy clang"
bench="$run parallel openssh-server python3 ruby-parallel-tests"
fuzz="$build clang libclang-rt-14-dev"
arm64="$build gcc-aarch64-linux-gnu"

case "$purpose" in
build | run | test | lint | bench | fuzz | arm64) packages=${!purpose} ;;
*)
    sed -n '2,/^set /{/^#/p}' "$0"
    exit 2
    ;;
esac
[ "${WRATA_SKIP_DEPS:-}" != 1 ] || exit 0

# Any Node.js from 18 on builds the page; Debian's is taken only when there is none.
command -v node >/dev/null || packages="$packages nodejs"
command -v npm >/dev/null || packages="$packages npm"

if ! command -v dpkg-query >/dev/null; then
    echo "install-deps.sh knows Debian and its relatives. Install the like of these, then set WRATA_SKIP_DEPS=1:" >&2
    echo $packages >&2
    exit 1
fi

missing=""
for p in $packages; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing="$missing $p"
done

if [ -n "$missing" ]; then
    as_root=""
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "these packages are missing, and there is neither root nor sudo here; as root, run:" >&2
            echo "  apt-get install -y --no-install-recommends$missing" >&2
            exit 1
        fi
        as_root="sudo"
    fi
    echo "installing:$missing"
    apt() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 "$@"; }
    # The lists of a fresh machine are empty or old: refresh them when the first try fails.
    apt install -y --no-install-recommends $missing || {
        apt update
        apt install -y --no-install-recommends $missing
    }
fi

if [ "$purpose" = arm64 ] && [ ! -e build/arm64-musl/usr/lib/aarch64-linux-musl/libc.a ]; then
    # The packages are unpacked aside: this machine's own package state stays as it is.
    mkdir -p build/arm64-musl
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    chmod 755 "$work"
    mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial"
    : >"$work/status"
    aside() {
        apt-get -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$work/state" \
            -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root "$@"
    }
    aside update
    (cd "$work" && aside download musl musl-dev)
    for deb in "$work"/*.deb; do
        dpkg-deb -x "$deb" build/arm64-musl
    done
fi
