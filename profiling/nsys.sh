#!/usr/bin/env bash
# Nsight Systems over a program that replays: each kernel of a graph by itself, beside the library's
# ranges.
#
#     profiling/nsys.sh [-o NAME] PROGRAM [ARGUMENT...]
#
# writes NAME.nsys-rep (default: replays.nsys-rep), to be opened in Nsight Systems, and prints
#
#   replays of each bucket   the host's time in lane.replay, by the NVTX ranges `replay B`
#   launches                 the host's time in cudaGraphLaunch and its like
#   kernels                  the device's time by kernel, inside of graphs and out
#
# Which step a kernel of a graph is of, Nsight Systems cannot know: profiling/timeline says it.
#
# What nsys is called with:
#   --trace=cuda,nvtx            kernels, CUDA calls and NVTX ranges; nothing of the system
#   --cuda-graph-trace=node      each node of a graph by itself (default: the graph as one block).
#                                It slows replays: use the times of kernels, not of the whole
#   --nvtx-domain-exclude=CCCL   the library's domain `ssugraph` and the program's own ranges stay;
#                                CUB and Thrust have ranges of their own in every call
#   --sample=none                no sampling of the CPU's stacks, which would only cost
#   --cpuctxsw=none              no tracing of context switches
#   --force-overwrite=true       NAME from the last time is replaced

set -euo pipefail

fail() {
  echo "nsys.sh: $*" >&2
  exit 1
}

name=replays
if [[ ${1:-} == -o ]]; then
  (($# >= 2)) || fail "-o: expected a name"
  name=$2
  shift 2
fi
(($# > 0)) || fail "expected a program (usage: profiling/nsys.sh [-o NAME] PROGRAM [ARGUMENT...])"
command -v nsys >/dev/null || fail "there is no nsys: install nsight-systems-cli from NVIDIA's" \
  "apt repository (developer.nvidia.com/nsight-systems has it, too), or use profiling/timeline," \
  "which needs only CUPTI"

nsys profile --trace=cuda,nvtx --cuda-graph-trace=node --nvtx-domain-exclude=CCCL --sample=none \
  --cpuctxsw=none --force-overwrite=true --output="$name" "$@"

# Prints the first lines of a report: TITLE REPORT LINES [PATTERN of rows]
report() {
  echo
  echo "== $1"
  nsys stats --quiet --force-export=true --format=column --report="$2" "$name.nsys-rep" |
    grep -E "Time|---|${4:-.}" | head -n "$3" || true
}

report "replays and builds, by range (ns)" nvtx_sum 40 'ssugraph:'
report "launches (ns)" cuda_api_sum 12 'Launch'
report "kernels (ns)" cuda_gpu_kern_sum 24
