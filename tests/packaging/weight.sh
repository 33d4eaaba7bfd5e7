#!/usr/bin/env bash
# weight.sh SHARED LIMIT: the shared library, stripped, weighs at most LIMIT MB (10^6 bytes). Most of
# it are kernels, and uncompressed they are several times that. Needs binutils.

set -euo pipefail
shared=$1 limit=$2
stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT

strip -o "$stripped" "$shared"
bytes=$(stat -c %s "$stripped")
mb=$(awk -v bytes="$bytes" 'BEGIN { printf "%.1f", bytes / 1e6 }')
echo "$shared: $mb MB stripped, at most $limit are expected"
if ((bytes > limit * 1000000)); then
  readelf -SW "$stripped" | grep -E ' \.(text|rodata|nv_fatbin) '
  exit 1
fi
