#!/bin/bash
# demo.sh - wrata on this computer in one command: server, two local machines, a little RSpec suite.
#
# Everything it makes lies in .demo/, and it is made anew each time. DEMO_EXIT=1 ends after the results
# instead of keeping the page up; DEMO_PORT and DEMO_DIR choose another port and folder; DEMO_BIN takes a
# program that is built already.
set -euo pipefail
cd "$(dirname "$0")/.."
port=${DEMO_PORT:-3000}
demo=${DEMO_DIR:-$PWD/.demo}
export WRATA_URL="http://127.0.0.1:$port"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

scripts/install-deps.sh run
wrata=${DEMO_BIN:-}
if [ -z "$wrata" ]; then
    wrata=$PWD/build/release/wrata
    say "building"
    mkdir -p build
    cmake -G Ninja -S . -B build/release -DCMAKE_BUILD_TYPE=Release >build/release.log 2>&1 || {
        cat build/release.log
        exit 1
    }
    ninja -C build/release wrata
fi

if curl -fsS -o /dev/null --max-time 2 "$WRATA_URL/healthz" 2>/dev/null; then
    echo "something answers at $WRATA_URL already; stop it, or choose another port: DEMO_PORT=3001 make demo" >&2
    exit 1
fi

server=""
cleanup() {
    trap - EXIT INT TERM
    if [ -n "$server" ] && kill -0 "$server" 2>/dev/null; then
        kill -TERM "$server"
        # A server that does not end by itself in ten seconds is ended.
        for _ in $(seq 100); do
            kill -0 "$server" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$server" 2>/dev/null || true
    fi
    # Agents outlive their server, which is their point; of a demo nothing should stay. They run from its folder.
    for exe in /proc/[0-9]*/exe; do
        case "$(readlink "$exe" 2>/dev/null || true)" in
        "$demo"/data/*) kill -TERM "$(basename "$(dirname "$exe")")" 2>/dev/null || true ;;
        esac
    done
    wait 2>/dev/null || true
}
trap cleanup EXIT
trap 'cleanup; exit 130' INT
trap 'cleanup; exit 143' TERM

rm -rf "$demo/data" "$demo/project"
mkdir -p "$demo/data"

# The suite as a git repository of its own: wrata takes code from git and from nowhere else.
cp -r examples/demo-suite "$demo/project"
git -C "$demo/project" init -q -b main
git -C "$demo/project" add -A
git -C "$demo/project" -c user.name=demo -c user.email=demo@localhost -c commit.gpgsign=false \
    commit -q -m "a small shop, with its specs"

say "starting the server (log: $demo/server.log)"
# Accounts are off: a demo on a loopback address, thrown away afterwards, asks nobody for a password.
"$wrata" serve --data "$demo/data" --listen "127.0.0.1:$port" --accounts off >"$demo/server.log" 2>&1 &
server=$!
for i in $(seq 300); do
    curl -fsS -o /dev/null "$WRATA_URL/healthz" 2>/dev/null && break
    if ! kill -0 "$server" 2>/dev/null || [ "$i" = 300 ]; then
        echo "the server did not start; the end of its log:" >&2
        tail -n 20 "$demo/server.log" >&2
        exit 1
    fi
    sleep 0.1
done

say "two machines: slots on this computer"
"$wrata" servers add local-1 --fleet local --slots 1
"$wrata" servers add local-2 --fleet local --slots 1

say "wrata run --project $demo/project --ref main 'spec/**/*_spec.rb'"
status=0
"$wrata" run --project "$demo/project" --ref main 'spec/**/*_spec.rb' || status=$?
case $status in
0) say "exit 0: everything passed, though two examples fail on purpose; something is wrong here" ;;
1) say "exit 1: two examples fail on purpose, see the receipt and the shipping" ;;
*) say "exit $status: the run did not work; the end of the server's log:" && tail -n 20 "$demo/server.log" ;;
esac
if [ "${DEMO_EXIT:-}" = 1 ]; then
    [ "$status" = 1 ] || exit 1
    exit 0
fi

say "the page: http://localhost:$port"
echo "Ctrl-C ends it."
wait "$server"
