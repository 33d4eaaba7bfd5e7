#!/usr/bin/env python3
r"""The instruction roofline of SSU kernels, from what profiling/roofline_json.py wrote.

    profiling/plot_roofline.py profiling/baselines/h100-roofline.json \
      --output profiling/plots/h100-roofline.svg

draws each kernel at its warp instructions a byte and a second, under two roofs: the rate at which
memory copies, and the rate at which all schedulers issue. After N. Ding and S. Williams, "An
Instruction Roofline Model for GPUs" (PMBS 2019), who count memory transactions; here it is the
bytes that must move, state written included, for what ncu sees written to memory lacks what stays
in the L2 cache. Prints the same as a table.
"""

import argparse
import json
import math
import pathlib
import sys

from picture import INK, plt, save, use_style

MACHINE = ("sms", "schedulers_per_sm", "clock_ghz", "copy_tb_s", "fp32_tflops")
# Of plain and rounded kernels: colour and marker.
PLAIN = ("#e8762c", "o")
ROUNDED = ("#3b8eea", "D")
# Batches whose points lie nearer to each other than this share of them are labelled as one.
APART = 0.06


class kernel:
    """A point of the picture."""

    def __init__(self, measured, machine):
        self.batch = measured["batch"]
        self.rounded = measured["philox_rounds"] > 0
        self.case = f"{measured['plan'].partition(':')[0]}, {measured['state']}"
        if self.rounded:
            self.case += f", Philox-{measured['philox_rounds']}"
        self.plan = measured["plan"]
        self.us = measured["us"]
        self.registers = measured["registers"]
        self.a_byte = measured["warp_instructions"] / measured["bytes"]
        self.a_ns = measured["warp_instructions"] / measured["us"] / 1e3
        self.of_copy = measured["bytes"] / measured["us"] / copy_bytes_a_us(machine)
        self.of_issue = self.a_ns / issued_a_ns(machine)

    def is_near(self, other):
        return all(
            math.isclose(one, two, rel_tol=APART)
            for one, two in ((self.a_byte, other.a_byte), (self.a_ns, other.a_ns))
        )


def copy_bytes_a_us(machine):
    return 1e6 * machine["copy_tb_s"]


def issued_a_ns(machine):
    """An instruction a cycle of every scheduler."""
    return machine["sms"] * machine["schedulers_per_sm"] * machine["clock_ghz"]


def read(path):
    try:
        report = json.loads(path.read_text())
        machine = {name: float(report["machine"][name]) for name in MACHINE}
        kernels = [kernel(measured, machine) for measured in report["kernels"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        sys.exit(f"plot_roofline.py: {path}: expected what roofline_json.py writes: {error!r}")
    if not kernels:
        sys.exit(f"plot_roofline.py: {path}: expected kernels, got none")
    return machine, sorted(kernels, key=lambda one: one.batch)


def draw_roofs(axes, machine):
    copy = copy_bytes_a_us(machine) / 1e3  # bytes a ns
    issue = issued_a_ns(machine)
    left, right = axes.get_xlim()
    ridge = issue / copy
    axes.plot([left, ridge, right], [left * copy, issue, issue], color=INK, linewidth=1.4)
    axes.text(
        left * 1.05,
        left * 1.05 * copy * 1.1,
        f"memory: {machine['copy_tb_s']:.2f} TB/s",
        rotation=math.degrees(math.atan(copy)),
        rotation_mode="anchor",
        transform_rotates_text=True,
    )
    axes.annotate(
        f"issue: {issue:.0f} a ns (if all were FMA: {machine['fp32_tflops']:.0f} TFLOP/s fp32)",
        (right, issue),
        xytext=(0, 5),
        textcoords="offset points",
        ha="right",
        va="bottom",
    )


def draw_case(axes, case, kernels):
    colour, marker = ROUNDED if kernels[0].rounded else PLAIN
    axes.plot(
        [one.a_byte for one in kernels],
        [one.a_ns for one in kernels],
        color=colour,
        marker=marker,
        linestyle="none",
        label=case,
    )
    together = [[kernels[0]]]
    for one in kernels[1:]:
        if one.is_near(together[-1][-1]):
            together[-1].append(one)
        else:
            together.append([one])
    for points in together:
        axes.annotate(
            f"batch {', '.join(str(one.batch) for one in points)}",
            (points[-1].a_byte, points[-1].a_ns),
            xytext=(7, 0),
            textcoords="offset points",
            va="center_baseline",
            color=colour,
        )


def cases_of(kernels):
    cases = {}
    for one in kernels:
        cases.setdefault(one.case, []).append(one)
    return cases


def draw(machine, kernels):
    figure, axes = plt.subplots(figsize=(7, 4.2))
    axes.set_xscale("log")
    axes.set_yscale("log")
    issue = issued_a_ns(machine)
    ridge = 1e3 * issue / copy_bytes_a_us(machine)
    a_byte = [one.a_byte for one in kernels]
    axes.set_xlim(min(a_byte) / 2, 2.5 * max(ridge, *a_byte))
    axes.set_ylim(min(one.a_ns for one in kernels) / 1.5, 1.5 * issue)
    draw_roofs(axes, machine)
    for case, of_case in cases_of(kernels).items():
        draw_case(axes, case, of_case)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(plt.LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(plt.FormatStrFormatter("%g"))
        axis.set_minor_locator(plt.NullLocator())
    axes.set_xlabel("warp instructions a byte that must move")
    axes.set_ylabel("warp instructions a nanosecond")
    axes.legend(loc="upper left", frameon=False)
    figure.tight_layout()
    return figure


def print_table(kernels):
    print(
        "| kernel | batch | plan | us | warp instructions a byte | of the copy | of the issue |"
        " registers |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for case, of_case in cases_of(kernels).items():
        for one in of_case:
            print(
                f"| {case} | {one.batch} | `{one.plan}` | {one.us:.4g} | {one.a_byte:.3f} "
                f"| {100 * one.of_copy:.0f}% | {100 * one.of_issue:.0f}% | {one.registers} |"
            )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("figures", type=pathlib.Path, help="JSON of roofline_json.py")
    parser.add_argument("--output", required=True, help="path of the SVG")
    args = parser.parse_args()
    machine, kernels = read(args.figures)
    use_style({"axes.grid": True, "grid.color": INK, "grid.alpha": 0.25, "lines.markersize": 5})
    save(draw(machine, kernels), args.output)
    print_table(kernels)


if __name__ == "__main__":
    main()
