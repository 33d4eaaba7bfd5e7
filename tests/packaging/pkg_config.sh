#!/usr/bin/env bash
# pkg_config.sh PREFIX LANGUAGE...: builds the consumers in these languages, c++ and c, against what is
# installed in PREFIX, by pkg-config alone: shared, static, and below C++20, which must fail in words. CXX
# names the compiler, CC that of C (cc); their LIBRARY_PATH holds libcudart_static.a where the library has
# CUDA.

set -euo pipefail
prefix=$(cd "$1" && pwd) languages=("${@:2}")
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

# Links an object both ways and runs it. The archive comes by its file name, for the shared library
# lies beside it; the system's libraries stay shared.
try() { # object
  "$CXX" "$1" "${libs[@]}" -Wl,-rpath,"$libdir" -o shared
  readelf -d shared | grep 'NEEDED.*libssugraph'
  ./shared
  "$CXX" "$1" "${static_libs[@]/-lssugraph/-l:libssugraph.a}" -o static
  if readelf -d static | grep 'NEEDED.*\(ssugraph\|cudart\)'; then exit 1; fi
  ./static
}

"$CXX" -std=c++20 "${cflags[@]}" -c "$consumer/consumer.cpp" -o consumer.o
try consumer.o
if [[ " ${languages[*]} " == *" c "* ]]; then
  "${CC:-cc}" -std=c11 "${cflags[@]}" -c "$consumer/c/consumer.c" -o c_consumer.o
  try c_consumer.o
fi

for header in "$prefix"/include/ssugraph/*.hpp; do
  [[ $header == */version.hpp ]] && continue
  if "$CXX" -std=c++17 "${cflags[@]}" -x c++ -fsyntax-only "$header" 2>errors; then
    echo "$header compiles in C++17" && exit 1
  fi
  grep -m 1 'error:' errors | grep -q 'ssugraph needs C++20' || { cat errors && exit 1; }
done
