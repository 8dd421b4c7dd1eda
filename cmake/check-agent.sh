#!/bin/sh
# check-agent.sh FILE MAX_KIB - refuse an agent that is not static or is too large.
set -eu
file=$1
max_kib=$2
if readelf -lW "$file" | grep -q INTERP; then
    echo "$file: it is dynamically linked; the agent must run on any Linux" >&2
    exit 1
fi
kib=$(($(wc -c <"$file") / 1024))
if [ "$kib" -gt "$max_kib" ]; then
    echo "$file: $kib KiB, more than $max_kib; was another C library linked?" >&2
    exit 1
fi
