#!/usr/bin/env bash
# nsys.sh and ncu.sh without the tools: stand-ins on the PATH write down how they are called. And
# roofline_json.py on what ncu.sh prints.

set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source-path=SCRIPTDIR source=expect.sh
source "$scripts/tests/expect.sh"

# Whatever of a CUDA toolkit the PATH has, it has no ncu and no nsys here.
mkdir empty
for tool in bash dirname grep rm; do ln -s "$(command -v $tool)" empty/; done
expect_failure "there is no nsys" env PATH="$work/empty" "$scripts/nsys.sh" program
expect_failure "there is no ncu" env PATH="$work/empty" "$scripts/ncu.sh" program
expect_failure "expected a program" "$scripts/nsys.sh" -o name
expect_failure "-o: expected a name" "$scripts/nsys.sh" -o
expect_failure "expected a program" "$scripts/ncu.sh" -b 8
expect_failure "-b: expected a bucket, got 'x'" "$scripts/ncu.sh" -b x program
expect_failure "-n: expected a number above 0, got '0'" "$scripts/ncu.sh" -n 0 program
expect_failure "unknown option or missing value: -z" "$scripts/ncu.sh" -z program

mkdir tools
cat >tools/ncu <<'STAND_IN'
#!/usr/bin/env bash
printf '%s\n' "$@" >>called
case $1 in
  --import)
    echo '==PROF== a line that is not a table'
    echo '"ID","Kernel Name","Grid Size","Block Size","gpu__time_duration.sum","launch__registers_per_thread"'
    echo '"","","","","us","register/thread"'
    echo '"0","ssu_kernel<a, b>(c)","(8, 128, 4)","(128, 1, 1)","12.35","62"'
    ;;
  *)
    if [[ $* == *forbidden* ]]; then
      echo "==ERROR== ERR_NVGPUCTRPERM - The user does not have permission" && exit 1
    fi
    [[ $* == *absent* ]] || touch ssu.ncu-rep
    ;;
esac
STAND_IN
cat >tools/nsys <<'STAND_IN'
#!/usr/bin/env bash
printf '%s\n' "$@" >>called
[[ $1 == profile ]] || printf ' Time (%%)  Total  Range\n ---\n 90.0  1  ssugraph:replay 8\n 10.0  1  other\n'
STAND_IN
chmod +x tools/*
export PATH=$work/tools:$PATH

"$scripts/ncu.sh" -b 8 -s 2 program --option >output
expect "ssugraph@replay 8/" called
expect "--kernel-name=regex:ssu" called
expect "--clock-control=none" called
expect "--launch-skip=2" called
expect "--option" called
expect "== ssu_kernel<a, b>(c)" output
expect "   grid (8, 128, 4), block (128, 1, 1)" output
expect "   time                         12.35 us" output
expect "   registers a thread           62 register/thread" output
expect_failure "no kernel that matches 'ssu' was profiled anywhere" "$scripts/ncu.sh" absent
expect_failure "if it may not read the counters, the head of" "$scripts/ncu.sh" forbidden

"$scripts/nsys.sh" program --option >output
expect "--cuda-graph-trace=node" called
expect "--option" called
expect "ssugraph:replay 8" output

# What bench and, behind it, ncu.sh print of a run: batch, its limit, state, plan, kernel, time.
printed() {
  cat <<PRINTED
==PROF== Connected to process 1 (bench)
NVIDIA H100 80GB HBM3, driver 580.1, CUDA 13.0, copy 3.000 TB/s; 4 layers, 1 rounds

128x64x128g8, state $3, plain, PDL on, between: nothing; us a layer
                                              median       p10       p90   limit  to peer
batch $1: limit $2 us
  floor                                        79.50     79.50     79.50    1.8%
  native                                      105.61    105.61    105.61    1.3%           $4

== void ssu_kernel<a, b>(c)
   grid (256, 1, 1), block (160, 1, 1)
   time                         $5
   read from memory             2.5 Mbyte
   written to memory            0 byte
   instructions                 640000.000000 inst
   registers a thread           79 register/thread
PRINTED
}
roofline() { "$scripts/roofline_json.py" ncu.txt; }

{
  printed 1 1.50 bf16 native:4x128 "5.500000 us"
  printed 64 90.00 "fp16, Philox-10" native:8x128 "0.100000 ms"
} >ncu.txt
roofline >roofline.json
expect '"sms": 132' roofline.json
expect '"copy_tb_s": 3.0' roofline.json
expect '"plan": "native:4x128", "shape": "128x64x128g8", "state": "bf16", "philox_rounds": 0, "batch": 1, "bytes": 4500000, "us": 5.5, "dram_read_bytes": 2500000, "dram_written_bytes": 0, "warp_instructions": 640000, "registers": 79' roofline.json
expect '"state": "fp16", "philox_rounds": 10, "batch": 64, "bytes": 270000000, "us": 100.0' roofline.json
python3 -m json.tool roofline.json >output

expect_failure "no.txt: expected what ncu.sh prints" "$scripts/roofline_json.py" no.txt
echo nothing >ncu.txt
expect_failure "ncu.txt: expected kernels" roofline
printed 1 1.50 bf16 native:4x128 "5 ages" >ncu.txt
expect_failure "us: expected one of ns, us, ms, got '5 ages'" roofline
printed 1 1.50 bf16 native:4x128 "5 us" | grep -v instructions >ncu.txt
expect_failure "native:4x128, batch 1: got no instructions" roofline
printed 1 1.50 bf16 native:4x128 "5 us" | grep -v limit >ncu.txt
expect_failure "expected what bench prints ahead of 'void ssu_kernel<a, b>(c)', got no batch" roofline
printed 1 1.50 bf16 native:4x128 "5 us" | sed '/^batch/p' >ncu.txt
expect_failure "expected one batch a run, got 1 and 1" roofline
printed 1 1.50 bf16 native:4x128 "5 us" | sed 's/H100/X9/' >ncu.txt
expect_failure "got NVIDIA X9 80GB HBM3: add it to MACHINES" roofline
echo "profiling scripts: all as expected"
