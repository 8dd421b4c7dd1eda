#!/bin/bash
# fuzz.sh [NAME [SECONDS]] - run the fuzzers whose name matches; findings stay in build/fuzz/findings/.
#
# An input that found something belongs into fuzz/corpus/NAME/ with the repair: `make test` replays it.
# fuzz/dict/NAME.dict, where there is one, holds the words of the language that is read.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:-}
seconds=${2:-60}

scripts/install-deps.sh fuzz
# -O1: an input is tried several times as often as at -O0.
cmake -G Ninja -S . -B build/fuzz -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG='-g -O1' -DWRATA_FUZZ=ON \
    -DWRATA_SANITIZE=address,undefined -DWRATA_WEB=OFF -DWRATA_WERROR=OFF >/dev/null
mkdir -p build/fuzz/findings
for source in fuzz/fuzz_*"$name"*.c; do
    target=$(basename "$source" .c)
    ninja -C build/fuzz "$target"
    mkdir -p "build/fuzz/corpus/$target" "fuzz/corpus/${target#fuzz_}"
    dict=()
    [ ! -e "fuzz/dict/${target#fuzz_}.dict" ] || dict=("-dict=fuzz/dict/${target#fuzz_}.dict")
    echo "== $target, $seconds s"
    "build/fuzz/$target" -max_total_time="$seconds" -print_final_stats=1 -artifact_prefix=build/fuzz/findings/ \
        "${dict[@]}" \
        "build/fuzz/corpus/$target" "fuzz/corpus/${target#fuzz_}"
done
