#!/usr/bin/env bash
# Builds everything and runs the tests, installing what the machine lacks (cmake/bootstrap.sh).
# Arguments go to ctest, for example: tests/run.sh -R golden
# Without a GPU the tests that need one are compiled and then skipped, by name.

# shellcheck source-path=SCRIPTDIR source=../cmake/bootstrap.sh
source "$(dirname "${BASH_SOURCE[0]}")/../cmake/bootstrap.sh"

choose_target "$@"
build_targets all
say "built in $SECONDS s"
# Tests share one GPU, so there they run one at a time.
[[ $target == cuda ]] || set -- --parallel "$(nproc)" "$@"
exec ctest --test-dir "$build" --no-tests=error --output-on-failure "$@"
