#!/usr/bin/env bash
# package.sh BUILD DIRECTORY LANGUAGE...: makes CPack's archive of a build and unpacks it into DIRECTORY.
# Nothing in it may say where it was built, and it has the C headers only if `c` is among the languages.

set -euo pipefail
build=$1 directory=$2 languages=("${@:3}")
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

rm -rf "$directory"
mkdir -p "$directory"
archive_dir=$(mktemp -d)
trap 'rm -rf "$archive_dir"' EXIT
cpack -G TGZ --config "$build/CPackConfig.cmake" -B "$archive_dir"
tar -xzf "$archive_dir"/ssugraph-*.tar.gz -C "$directory" --strip-components 1

if grep -rIil nlohmann "$directory"; then
  echo "a file of the package names what only the build needs"
  exit 1
fi
# Debug information in the libraries may.
if grep -rIF -e "$source" -e "$build" -e "$archive_dir" "$directory"; then
  echo "a file of the package names a folder of the build"
  exit 1
fi
for file in LICENSE ssugraphConfig.cmake ssugraph.pc ssugraph.hpp libssugraph.a libssugraph.so; do
  [[ -n $(find "$directory" -name "$file") ]] || { echo "no $file in the package" && exit 1; }
done

c_headers=$(find "$directory" -path '*/ssugraph/c/*' -o -name ssugraph.h)
if [[ " ${languages[*]} " == *" c "* ]]; then
  [[ $c_headers == */ssugraph/c/lane.h* && $c_headers == */ssugraph.h* ]] || {
    echo "no C headers in the package"
    exit 1
  }
elif [[ -n $c_headers ]]; then
  echo "C headers in a package without the C API: $c_headers"
  exit 1
fi
