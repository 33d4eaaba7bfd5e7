#!/usr/bin/env bash
# symbols.sh ARCHIVE SHARED SONAME: libssugraph.so shows the public functions, all of them, and
# nothing else. Public is what lies in namespace ssugraph, but for its detail and c_api, and what is
# called ssugraph_*; the archive has it all. Needs binutils.

set -euo pipefail
archive=$1 shared=$2 soname=$3
headers=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../include/ssugraph" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

failed=0
complain_of() { # file with what is wrong, in words
  [[ -s $1 ]] || return 0
  echo "$2:"
  c++filt <"$1" | sed 's/^/  /'
  failed=1
}

functions='^(_ZNK?8ssugraph|ssugraph_)' types='^_ZT[VIS]N8ssugraph[0-9]+[a-z_]+E$'
inside='^_Z[A-Z]*8ssugraph(6detail|5c_api)'
public() { grep -E "$1" | { grep -Ev "$inside" || true; } | sort -u; }
symbols() { # of these nm letters, options of nm...
  nm --defined-only "${@:2}" | awk -v letters="^[$1]$" '$2 ~ letters { print $3 }'
}

symbols TV "$archive" | public "$functions|$types" >"$work/public"
grep -q 8ssugraph4lane6replay "$work/public" || { echo "no lane::replay in $archive" && exit 1; }
symbols A-Za-z -D "$shared" | sort -u >"$work/shown"
# Templates that the library instantiates.
symbols W -D "$shared" | public "$functions" >"$work/weak"

comm -23 "$work/public" "$work/shown" >"$work/hidden"
complain_of "$work/hidden" "public, but not SSUGRAPH_EXPORT (or to be moved into detail)"

sort -u "$work/public" "$work/weak" | comm -13 - "$work/shown" >"$work/leaked"
complain_of "$work/leaked" "shown, but neither a public function nor type information of a public class"

# The last part of each name, as the header that declares it has it.
grep -E "$functions" "$work/shown" | c++filt | sed -E 's/\[abi:[^]]*\]//; s/\(.*//; s/.*:://; s/<.*//' | sort -u |
  while read -r name; do
    grep -qrF -- "$name" "$headers" || echo "$name"
  done >"$work/undeclared"
complain_of "$work/undeclared" "shown, but in no public header"

dynamic=$(readelf -d "$shared")
grep -qF "soname: [$soname]" <<<"$dynamic" || { echo "soname: expected $soname" && failed=1; }
grep -E 'R(UN)?PATH|NEEDED.*(cuda|json|fmt)' <<<"$dynamic" && failed=1

echo "$(wc -l <"$work/public") public symbols, $(wc -l <"$work/shown") symbols shown"
exit $failed
