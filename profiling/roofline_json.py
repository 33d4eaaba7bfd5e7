#!/usr/bin/env python3
r"""The figures of a roofline as JSON, from what profiling/ncu.sh over bench printed.

    for batch in 1 8 64 512; do for rounds in 0 10; do
      profiling/ncu.sh build/release/profiling/bench --backend native --layers 4 --rounds 1 \
        --batch $batch --philox-rounds $rounds
    done; done >ncu.txt
    profiling/roofline_json.py ncu.txt >profiling/baselines/h100-roofline.json

Of each kernel: what it is, its time by itself, the bytes that must move (bench's limit times the
rate of the copy in the same run), and what ncu counted. A run has one batch.
"""

import argparse
import json
import pathlib
import re
import statistics
import sys

# What neither bench nor ncu.sh prints. The clock is the highest that the GPU boosts to, fp32 that
# of fused multiply-adds at that clock.
MACHINES = {
    "NVIDIA H100 80GB HBM3": {
        "sms": 132,
        "schedulers_per_sm": 4,
        "clock_ghz": 1.98,
        "fp32_tflops": 66.9,
    }
}
# What bench prints ahead of a batch's kernels. Each kind of line: its pattern, and what it tells.
BENCH = {
    "head": r"(?P<device>.+), driver (?P<driver>\S+), CUDA (?P<cuda>\S+), copy (?P<copy>\S+) TB/s; .*",
    "case": r"(?P<shape>\S+), state (?P<state>\w+)(?:, Philox-(?P<philox_rounds>\d+))?, .*us a layer",
    "batch": r"batch (?P<batch>\d+): limit (?P<limit_us>\S+) us",
    "plan": r"  \S+ +\d.* (?P<plan>\w+:\S+)",
}
# Figure of ncu.sh: name in the JSON.
FIGURES = {
    "time": "us",
    "read from memory": "dram_read_bytes",
    "written to memory": "dram_written_bytes",
    "instructions": "warp_instructions",
    "registers a thread": "registers",
}
UNITS = {
    "us": {"ns": 1e-3, "us": 1, "ms": 1e3},
    "dram_read_bytes": {"byte": 1, "Kbyte": 1e3, "Mbyte": 1e6, "Gbyte": 1e9},
    "warp_instructions": {"inst": 1},
    "registers": {"register/thread": 1},
}
UNITS["dram_written_bytes"] = UNITS["dram_read_bytes"]


def fail(message):
    sys.exit(f"roofline_json.py: {message}")


def value_of(name, text, unit):
    if unit not in UNITS[name]:
        fail(f"{name}: expected one of {', '.join(UNITS[name])}, got '{text} {unit}'")
    value = float(text) * UNITS[name][unit]
    return value if name == "us" else round(value)


def kernel_of(run, kernel):
    missing = [key for key in ("copy", "shape", "batch", "plan") if key not in run]
    if missing:
        fail(f"expected what bench prints ahead of '{kernel}', got no {', '.join(missing)}")
    return {
        "kernel": kernel.partition("<")[0].removeprefix("void "),
        "plan": run["plan"],
        "shape": run["shape"],
        "state": run["state"],
        "philox_rounds": int(run["philox_rounds"] or 0),
        "batch": int(run["batch"]),
        "bytes": round(float(run["limit_us"]) * float(run["copy"]) * 1e6),
    }


def read_bench_line(run, line):
    """What the run is known to be behind this line."""
    for kind, pattern in BENCH.items():
        if match := re.fullmatch(pattern, line):
            if kind == "batch" and "batch" in run:
                fail(f"expected one batch a run, got {run['batch']} and {match['batch']}")
            return match.groupdict() if kind == "head" else run | match.groupdict()
    return run


def read(lines):
    """The runs of bench, and the kernels that were profiled in them."""
    run, runs, kernels = {}, [], []
    for line in lines:
        if match := re.fullmatch(r"== (\S.*\S)", line):
            kernels.append(kernel_of(run, match[1]))
            runs.append(run)
        elif match := re.fullmatch(r"   (\S.*?) {2,}(\S+) (\S*)\s*", line):
            if kernels and match[1] in FIGURES:
                name = FIGURES[match[1]]
                kernels[-1][name] = value_of(name, match[2], match[3])
        else:
            run = read_bench_line(run, line)
    return runs, kernels


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", type=pathlib.Path, help="what ncu.sh printed, all runs in a row")
    args = parser.parse_args()
    try:
        runs, kernels = read(args.text.read_text().splitlines())
    except (OSError, ValueError) as error:
        fail(f"{args.text}: expected what ncu.sh prints: {error}")
    if not kernels:
        fail(f"{args.text}: expected kernels, lines that begin with '== ', got none")
    for kernel in kernels:
        missing = [figure for figure, name in FIGURES.items() if name not in kernel]
        if missing:
            fail(f"{kernel['plan']}, batch {kernel['batch']}: got no {', '.join(missing)}")
    machines = {(run["device"], run["driver"], run["cuda"]) for run in runs}
    if len(machines) > 1:
        fail(f"expected runs of one machine, got {sorted(machines)}")
    device, driver, cuda = machines.pop()
    if device not in MACHINES:
        fail(f"expected a machine of {', '.join(MACHINES)}, got {device}: add it to MACHINES")
    machine = {"device": device, "driver": driver, "cuda": cuda, **MACHINES[device]}
    machine["copy_tb_s"] = statistics.median(float(run["copy"]) for run in runs)
    lines = ",\n".join(json.dumps(kernel) for kernel in kernels)
    print(f'{{"machine": {json.dumps(machine)},\n"kernels": [\n{lines}\n]}}')


if __name__ == "__main__":
    main()
