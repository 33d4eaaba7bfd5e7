# shellcheck shell=bash
# Sourced by the tests of the scripts: goes to a folder of their own, $work, and brings what checks.

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit

expect() { # text that must be in it, file
  grep -qF -- "$1" "$2" || {
    echo "expected '$1' in:"
    cat "$2"
    exit 1
  }
}
expect_failure() { # text, command...
  if "${@:2}" &>output; then
    echo "expected a failure: ${*:2}"
    exit 1
  fi
  expect "$1" output
}
