#!/bin/bash
# lint.sh format|cppcheck|clang-tidy - one check of the C sources; 77 when its tool is not installed.
#
# WRATA_BUILD names a configured build folder (its compile_commands.json and a cache are used).
set -euo pipefail
cd "$(dirname "$0")/.."
build=${WRATA_BUILD:-build/test}

need() {
    command -v "$1" >/dev/null || {
        echo "$1 is not installed (scripts/install-deps.sh lint); skipped"
        exit 77
    }
}

# Our own C files; what is planted to be wrong is left out.
c_files() {
    find src tools tests sim fuzz bench -name tidy-fixtures -prune -o -name node_modules -prune -o \
        -type f -name "*.[ch]" -print 2>/dev/null | LC_ALL=C sort
}

case "${1:-}" in
format)
    need clang-format
    c_files | xargs -r clang-format --dry-run -Werror
    echo "format: $(c_files | wc -l) files"
    ;;
cppcheck)
    need cppcheck
    mkdir -p "$build/cppcheck"
    # Each file is read in one configuration: ours. It does not read the headers of libraries; their loop macros
    # are given. arrayIndexThenCheck takes every walk to a string's NUL for a fault.
    cppcheck --enable=warning,performance,portability --std=c11 --inline-suppr --quiet --error-exitcode=1 \
        --max-configs=1 -D_GNU_SOURCE -DWRATA_VERSION='"0"' -D__linux__ -D__x86_64__ \
        -D'HASH_ITER(hh,head,el,tmp)=for((el)=(head);(el);(el)=(tmp))' \
        -D'LL_FOREACH(head,el)=for((el)=(head);(el);(el)=(el)->next)' \
        -D'LL_FOREACH_SAFE(head,el,tmp)=for((el)=(head);(el);(el)=(tmp))' \
        -D'DL_FOREACH(head,el)=for((el)=(head);(el);(el)=(el)->next)' \
        -D'DL_FOREACH_SAFE(head,el,tmp)=for((el)=(head);(el);(el)=(tmp))' \
        -D'json_array_foreach(array,i,value)=for((i)=0;((value)=json_array_get((array),(i)));(i)++)' \
        -D'json_object_foreach(object,key,value)=for(;((value)=json_object_get((object),(key)));)' \
        --suppress=arrayIndexThenCheck --suppress=missingIncludeSystem --suppress=unusedFunction --suppress=normalCheckLevelMaxBranches \
        --cppcheck-build-dir="$build/cppcheck" -j 2 -I src -I "$build/gen" \
        $(for d in src tools sim fuzz bench; do find "$d" -name "*.c" -not -path "*/tidy-fixtures/*" 2>/dev/null; done)
    echo "cppcheck: clean"
    ;;
clang-tidy)
    need clang-tidy
    [ -f "$build/compile_commands.json" ] || {
        echo "$build is not configured: run make build or make test first" >&2
        exit 1
    }
    # Only files the build knows; -P2: each takes a core for some seconds.
    grep -o '"file": "[^"]*"' "$build/compile_commands.json" | cut -d'"' -f4 | grep -E "/(src|tools|sim)/" |
        LC_ALL=C sort -u | xargs -r -n1 -P2 clang-tidy -p "$build" --quiet \
            --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-string-conversion 2>/dev/null
    echo "clang-tidy: clean"
    ;;
*)
    echo "usage: scripts/lint.sh format|cppcheck|clang-tidy" >&2
    exit 2
    ;;
esac
