#!/usr/bin/env bash
# Nsight Compute over one SSU kernel of a program that replays: what a memory-bound kernel is judged
# by.
#
#     profiling/ncu.sh [-b BUCKET] [-k REGEX] [-s SKIP] [-n COUNT] [-o NAME] PROGRAM [ARGUMENT...]
#
#   -b BUCKET   only kernels launched inside the NVTX range `replay BUCKET` (default: anywhere)
#   -k REGEX    kernels whose name matches (default: ssu, which native's and triton's have;
#               FlashInfer's: selective_state_update)
#   -s SKIP     pass over so many of them (default: 0)
#   -n COUNT    profile so many (default: 1)
#   -o NAME     writes NAME.ncu-rep, to be opened in the Nsight Compute GUI (default: ssu.ncu-rep)
#
# Each kernel is run several times, its memory put back in between; a program of few replays is
# enough. The counters need permission: as root, or with the driver's
# NVreg_RestrictProfilingToAdminUsers=0 (developer.nvidia.com/ERR_NVGPUCTRPERM).
#
# What ncu is called with:
#   --graph-profiling=node   the nodes of a graph as kernels (default); a graph as a whole says
#                            nothing of one layer
#   --clock-control=none     clocks as they are: locked to base, times would not be a replay's
#   --cache-control=all      caches are emptied before each pass (default), as the state of a layer
#                            is never in them when its turn comes
#   --nvtx --nvtx-include    kernels of one bucket: `ssugraph@replay B/` is a range of the domain
#   --kernel-name=regex:R    by name
#   --launch-skip, -count    which of those
#   --section=SpeedOfLight              time; how near memory and arithmetic are to their limits
#   --section=MemoryWorkloadAnalysis    bytes at each level, sectors a request
#   --section=Occupancy, LaunchStats    warps resident; what limits them: registers, shared memory
#   --section=SchedulerStats            how often a scheduler has a warp to issue
#   --section=WarpStateStats            what warps wait for
#   --metrics                the figures that are printed

set -euo pipefail

fail() {
  echo "ncu.sh: $*" >&2
  exit 1
}

bucket=
kernel=ssu
skip=0
count=1
name=ssu
while getopts :b:k:s:n:o: option; do
  case $option in
    b) bucket=$OPTARG ;;
    k) kernel=$OPTARG ;;
    s) skip=$OPTARG ;;
    n) count=$OPTARG ;;
    o) name=$OPTARG ;;
    *) fail "unknown option or missing value: -$OPTARG" ;;
  esac
done
shift $((OPTIND - 1))
(($# > 0)) || fail "expected a program (usage: profiling/ncu.sh [-b BUCKET] PROGRAM [ARGUMENT...])"
[[ $bucket =~ ^[0-9]*$ ]] || fail "-b: expected a bucket, got '$bucket'"
[[ $skip =~ ^[0-9]+$ ]] || fail "-s: expected a number, got '$skip'"
[[ $count =~ ^[1-9][0-9]*$ ]] || fail "-n: expected a number above 0, got '$count'"
command -v ncu >/dev/null || fail "there is no ncu: it is part of the CUDA toolkit (apt's" \
  "cuda-nsight-compute from NVIDIA's repository; /usr/local/cuda/bin belongs on the PATH)"

# Title and metric of each figure that is printed.
figures=(
  "time" gpu__time_duration.sum
  "read from memory" dram__bytes_read.sum
  "written to memory" dram__bytes_write.sum
  "memory throughput, of peak" dram__throughput.avg.pct_of_peak_sustained_elapsed
  "warps resident, of most" sm__warps_active.avg.pct_of_peak_sustained_active
  "cycles that issue, of all" smsp__issue_active.avg.pct_of_peak_sustained_active
  "instructions" smsp__inst_executed.sum
  "registers a thread" launch__registers_per_thread
  "waves" launch__waves_per_multiprocessor
)
metrics=
for ((i = 1; i < ${#figures[@]}; i += 2)); do
  metrics+=${metrics:+,}${figures[i]}
done

range=()
where=anywhere
if [[ -n $bucket ]]; then
  range=(--nvtx --nvtx-include "ssugraph@replay $bucket/")
  where="in a replay of bucket $bucket"
fi
rm -f "$name.ncu-rep"
ncu --graph-profiling=node --clock-control=none --cache-control=all "${range[@]}" \
  --kernel-name="regex:$kernel" --launch-skip="$skip" --launch-count="$count" \
  --section=SpeedOfLight --section=MemoryWorkloadAnalysis --section=Occupancy \
  --section=LaunchStats --section=SchedulerStats --section=WarpStateStats --metrics="$metrics" \
  --force-overwrite --export="$name" "$@" ||
  fail "ncu gave up (see above); if it may not read the counters, the head of $0 says who may"
[[ -f $name.ncu-rep ]] || fail "no kernel that matches '$kernel' was profiled $where (see" \
  "above): is the bucket right, and has the program NVTX ranges (SSUGRAPH_NVTX)?"

# A line a kernel: comma-separated values, all in quotes; the second line has the units.
ncu --import "$name.ncu-rep" --csv --page=raw --metrics="$metrics" |
  awk -v figures="$(printf '%s\n' "${figures[@]}")" -F '","' '
    BEGIN { many = split(figures, wanted, "\n") }
    !/^"/ { next }
    { gsub(/^"|"$/, "") }
    !seen++ { for (i = 1; i <= NF; ++i) column[$i] = i; next }
    seen == 2 { for (i = 1; i <= NF; ++i) unit[i] = $i; next }
    {
      print "\n== " substr($column["Kernel Name"], 1, 100)
      print "   grid " $column["Grid Size"] ", block " $column["Block Size"]
      for (i = 1; i < many; i += 2) {
        at = column[wanted[i + 1]]
        if (at) printf "   %-28s %s %s\n", wanted[i], $at, unit[at]
      }
    }'
