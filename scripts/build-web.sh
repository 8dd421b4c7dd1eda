#!/bin/bash
# build-web.sh - web/dist from web/, when something in web/ changed since the last time.
#
# Several build folders may ask at once: a lock makes one of them work and the others wait.
set -euo pipefail
cd "$(dirname "$0")/../web"

mkdir -p node_modules
exec 9>node_modules/.lock
flock 9

hash_of() { cat "$@" 2>/dev/null | sha256sum | cut -d' ' -f1; }

lock=$(hash_of package.json package-lock.json)
if [ "$(cat node_modules/.installed 2>/dev/null)" != "$lock" ]; then
    # npm ci removes node_modules first, and with it the lock file; the open descriptor keeps the lock.
    npm ci --no-audit --no-fund --loglevel=error
    echo "$lock" >node_modules/.installed
    : >>node_modules/.lock
fi

sources=$(find . -path ./node_modules -prune -o -path ./dist -prune -o -path ./test -prune -o -type f -print |
    LC_ALL=C sort | while read -r f; do echo "$f"; cat "$f"; done | sha256sum | cut -d' ' -f1)
if [ ! -d dist ] || [ "$(cat node_modules/.built 2>/dev/null)" != "$sources" ]; then
    rm -f node_modules/.built
    node build.mjs
    echo "$sources" >node_modules/.built
fi
