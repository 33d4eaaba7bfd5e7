#!/usr/bin/env bash
# pkg_config.sh PREFIX: builds the consumer against what is installed in PREFIX, by pkg-config alone:
# shared, static, and below C++20, which must fail in words. CXX names the compiler; its
# LIBRARY_PATH holds libcudart_static.a where the library has CUDA.

set -euo pipefail
prefix=$(cd "$1" && pwd)
consumer=$(cd "$(dirname "${BASH_SOURCE[0]}")/../consumer" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

pc=$(find "$prefix" -name ssugraph.pc)
export PKG_CONFIG_PATH=${pc%/*}
# shellcheck disable=SC2207
cflags=($(pkg-config --cflags ssugraph)) libs=($(pkg-config --libs ssugraph))
# shellcheck disable=SC2207
static_libs=($(pkg-config --static --libs ssugraph))
libdir=$(pkg-config --variable=libdir ssugraph)

"$CXX" -std=c++20 "${cflags[@]}" -c "$consumer/consumer.cpp" -o consumer.o

"$CXX" consumer.o "${libs[@]}" -Wl,-rpath,"$libdir" -o shared
readelf -d shared | grep 'NEEDED.*libssugraph'
./shared

# The libraries of the system stay shared.
"$CXX" consumer.o "${static_libs[@]/-lssugraph/-l:libssugraph.a}" -o static
if readelf -d static | grep 'NEEDED.*\(ssugraph\|cudart\)'; then exit 1; fi
./static

for header in "$prefix"/include/ssugraph/*.hpp; do
  [[ $header == */version.hpp ]] && continue
  if "$CXX" -std=c++17 "${cflags[@]}" -x c++ -fsyntax-only "$header" 2>errors; then
    echo "$header compiles in C++17" && exit 1
  fi
  grep -m 1 'error:' errors | grep -q 'ssugraph needs C++20' || { cat errors && exit 1; }
done
