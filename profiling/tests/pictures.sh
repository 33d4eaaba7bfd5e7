#!/usr/bin/env bash
# The pictures from the figures that are kept. Exit status 77: matplotlib is not there.

set -euo pipefail
profiling=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python3 -c 'import matplotlib' 2>/dev/null || {
  echo "skipped: python3 has no matplotlib"
  exit 77
}
# shellcheck source-path=SCRIPTDIR source=expect.sh
source "$profiling/tests/expect.sh"
export PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=$work

timeline() { "$profiling/plot_timeline.py" "$@" --output step.svg; }
roofline() { "$profiling/plot_roofline.py" "$@" --output new/roofline.svg; }

trace=$profiling/timelines/decode_step.json
timeline "$trace" --cut cut.json
expect ">before: a seed kernel and a launch a layer: 48 launches, 48 kernels" step.svg
expect ">after: one replay: 1 launch, 25 kernels" step.svg
cmp cut.json "$trace"
mv step.svg first.svg
timeline cut.json
cmp step.svg first.svg

expect_failure "no.json: expected a trace of profiling/timeline" timeline no.json
head -c 5000 "$trace" >broken.json
expect_failure "broken.json: expected a trace of profiling/timeline" timeline broken.json
grep -v '"name":"replay 1"' "$trace" >broken.json
expect_failure "expected a range 'replay' in the trace, got none" timeline broken.json
grep -v '"exclusive_us"' "$trace" | sed -z 's/,\n]}/\n]}/' >broken.json
expect_failure "expected launches and kernels in the last 'eager step'" timeline broken.json

roofline "$profiling/baselines/h100-roofline.json" >table
expect ">memory: " new/roofline.svg
expect ">native, bf16, Philox-10<" new/roofline.svg
expect "| native, bf16 | 512 |" table
expect_failure "no.json: expected what roofline_json.py writes" roofline no.json
sed '/^{"machine"/s/"sms"/"cores"/' "$profiling/baselines/h100-roofline.json" >broken.json
expect_failure "expected what roofline_json.py writes: KeyError('sms')" roofline broken.json
sed 's/"us": [0-9.]*/"us": 0/' "$profiling/baselines/h100-roofline.json" >broken.json
expect_failure "expected what roofline_json.py writes: ZeroDivisionError" roofline broken.json
sed '/^{"kernel"/d' "$profiling/baselines/h100-roofline.json" >broken.json
expect_failure "broken.json: expected kernels, got none" roofline broken.json

"$profiling/plot.py" "$profiling/baselines/h100-bf16.json" --output bf16
expect ">128x64x128g8, bf16<" bf16-limit.svg
expect "times as fast as the best peer" bf16-peer.svg
expect_failure "expected what bench --json writes" "$profiling/plot.py" cut.json --output bf16

state_error() { "$profiling/plot_state_error.py" "$@" --output error.svg; }
state_error "$profiling/baselines/state_error.json"
expect ">slow decay<" error.svg
expect ">stochastic, every 16 tokens<" error.svg
expect_failure "no.json: expected what state_error --json writes" state_error no.json
expect_failure "expected what state_error --json writes: KeyError('head')" \
  state_error <(sed 's/"head"/"heads"/' "$profiling/baselines/state_error.json")
expect_failure "expected measured rows, got none" \
  state_error <(echo '{"options": {"tokens": 1}, "rows": []}')
echo "profiling pictures: all as expected"
