#!/usr/bin/env bash
# Builds and runs the main job, serving_loop, installing what the machine lacks
# (cmake/bootstrap.sh). Arguments go to serving_loop, for example: examples/run.sh --trace FILE
# Without a GPU it builds and runs the host pipeline alone, on the smallest model.

# shellcheck source-path=SCRIPTDIR source=../cmake/bootstrap.sh
source "$(dirname "${BASH_SOURCE[0]}")/../cmake/bootstrap.sh"

choose_target "$@"
[[ $target == cuda ]] || use_preset host
build_targets serving_loop
[[ " $* " == *" --target"* ]] || set -- --target "$target" "$@"
exec "$build/examples/serving_loop" "$@"
