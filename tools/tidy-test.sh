#!/bin/bash
# tidy-test.sh TIDY - the checker catches what is planted, and says nothing about what is clean.
#
# planted/expect.txt is the whole output; UPDATE=1 rewrites it, and a person reads the difference.
set -euo pipefail
tidy=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$tidy" "$here/tidy-fixtures/clean" >"$work/clean" || {
    echo "the clean tree has faults:" >&2
    cat "$work/clean" >&2
    exit 1
}

# What is long is made here, so that nobody has to scroll past it.
cp -r "$here/tidy-fixtures/planted" "$work/planted"
mkdir -p "$work/planted/src/net"
long_function() {
    printf 'int %s(void)\n{\n' "$1"
    for _ in $(seq $(($2 - 2))); do echo "    x();"; done
    printf '}\n'
}
{
    echo "/* long.c - too long in every way. */"
    long_function short_enough 100
    long_function warned 101
    long_function refused 151
    for i in $(seq 700); do echo "int line_$i;"; done
} >"$work/planted/src/net/long.c"

status=0
"$tidy" "$work/planted" >"$work/got" || status=$?
if [ "${UPDATE:-}" = 1 ]; then
    cp "$work/got" "$here/tidy-fixtures/planted/expect.txt"
fi
diff -u "$here/tidy-fixtures/planted/expect.txt" "$work/got"
[ "$status" = 1 ] || {
    echo "the planted tree must fail with 1, not $status" >&2
    exit 1
}
echo "tidy caught $(grep -c ': ' "$work/got") planted lines"
