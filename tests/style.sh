#!/usr/bin/env bash
# Checks how everything is written, installing what the machine lacks (cmake/bootstrap.sh). Arguments
# choose among the checks, for example: tests/style.sh format spelling
#
#   format    C++ and CUDA are as clang-format leaves them; other versions than 14 differ
#   spelling  codespell, all texts (.codespellrc)
#   scripts   shellcheck, all shell scripts
#   tidy      clang-tidy (.clang-tidy), all C++ that the preset compiles (SSUGRAPH_PRESET: `host` needs
#             no CUDA and leaves out what does), but for the tests, for the time that would take

# shellcheck source-path=SCRIPTDIR source=../cmake/bootstrap.sh
source "$(dirname "${BASH_SOURCE[0]}")/../cmake/bootstrap.sh"
cd "$root"

need() { command -v "$1" >/dev/null || apt_install "$1"; }

each_file() { # regular expression of its path, command...
  find cmake examples graphs include lib profiling tests .ci -type f -regex "$1" -print0 |
    xargs -0 "${@:2}"
}

check_format() {
  need clang-format-14
  each_file '.*\.\(h\|hpp\|cpp\|cu\|cuh\)' clang-format-14 --dry-run --Werror
}

check_spelling() {
  need codespell
  codespell .
}

check_scripts() {
  need shellcheck
  each_file '.*\.sh\|\.ci/run' shellcheck --external-sources
}

check_tidy() {
  local left_out=tests/
  need clang-tidy-19
  configure
  if ! without_cuda; then
    left_out+='|custom_steps|row_by_row' # for nvcc there
    # A header of the triton backend comes with its images.
    grep -q '^build ssugraph_triton_images:' "$build/build.ninja" &&
      cmake --build "$build" --target ssugraph_triton_images
  fi
  # The compiler gives its own warnings, by options that Clang does not know.
  run-clang-tidy-19 -clang-tidy-binary clang-tidy-19 -p "$build" -quiet -extra-arg=-w \
    "^$root/(lib|graphs|examples|profiling)/((?!$left_out).)*\.cpp\$"
}

(($#)) || set -- format spelling scripts tidy
for check in "$@"; do
  declare -F "check_$check" >/dev/null || die "expected format, spelling, scripts or tidy, got $check"
done
for check in "$@"; do
  SECONDS=0
  say "$check"
  "check_$check"
  say "$check took $SECONDS s"
done
