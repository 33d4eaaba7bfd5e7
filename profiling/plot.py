#!/usr/bin/env python3
r"""Plots of what `bench --json` wrote: share of the limit, and speed-up over the best peer.

    profiling/plot.py profiling/baselines/h100-{bf16,fp32,fp16-philox10}.json \
      --output profiling/plots/h100

writes h100-limit.svg and h100-peer.svg with a panel for every case: what one file measured of one
shape.
"""

import argparse
import json
import math
import pathlib
import sys

from picture import INK, plt, save, use_style

# Backend: name in the legend, colour, line.
BACKENDS = {
    "floor": ("read and write back", INK, ":"),
    "native": ("native", "#e8762c", "-"),
    "triton": ("triton", "#3b8eea", "--"),
    "flashinfer": ("flashinfer, best algorithm", "#3fa45b", "-."),
    "automatic": ("automatic", "#a371f7", (0, (1, 1))),
}
BETWEEN = {"kernel": "behind a 3 us kernel", "early": "behind a 3 us kernel that triggers early"}
COLUMNS = 3
STYLE = {
    "axes.grid": True,
    "grid.color": INK,
    "grid.alpha": 0.25,
    "lines.linewidth": 1.6,
    "lines.markersize": 3.5,
}


def title_of(shape, options):
    state = options["state"]
    if options["philox_rounds"]:
        state += f", Philox-{options['philox_rounds']}"
    parts = [f"{shape}, {state}"]
    if options["mode"] != "plain":
        parts.append(f"{options['mode']}, {options['tokens']} tokens")
    if options.get("checkpoint"):
        parts.append(f"checkpoints every {options['checkpoint']}, {options['ring_phase']}")
    if options["untied"]:
        parts.append("untied")
    if options["between"] != "nothing":
        parts.append(BETWEEN[options["between"]])
    if not options["pdl"]:
        parts.append("no PDL")
    return "\n".join(parts)


def read_cases(path):
    """Title and rows of every shape in a file. Of several sources of seeds: the prologue's rows."""
    try:
        report = json.loads(path.read_text())
        options, rows = report["options"], report["rows"]
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"plot.py: {path}: expected what bench --json writes: {error!r}")
    kept = [row for row in rows if row["backend"] == "floor" or row["seeds"] == "prologue"]
    for shape in dict.fromkeys(row["shape"] for row in kept):
        yield title_of(shape, options), [row for row in kept if row["shape"] == shape]


def lines_of(rows):
    """Of each backend the batches and its fastest row of each."""
    fastest = {}
    for row in rows:
        of_batch = fastest.setdefault(row["backend"].partition(":")[0], {})
        if row["us"] < of_batch.get(row["batch"], {"us": math.inf})["us"]:
            of_batch[row["batch"]] = row
    return {name: sorted(of_batch.items()) for name, of_batch in fastest.items()}


def draw_line(axes, name, points):
    label, colour, dashes = BACKENDS[name]
    xs, ys = zip(*points)
    marker = None if name == "floor" else "o"
    axes.plot(xs, ys, label=label, color=colour, linestyle=dashes, marker=marker)


def draw_limit(axes, lines):
    for name in BACKENDS:
        points = [(batch, 100 * row["limit_us"] / row["us"]) for batch, row in lines.get(name, [])]
        if points:
            draw_line(axes, name, points)
    axes.set_ylim(bottom=0)
    axes.axhline(100, color=INK, linewidth=0.8)


def draw_peer(axes, lines):
    for name in ("native", "automatic"):
        rows = lines.get(name, [])
        points = [(batch, row["over_peer"]) for batch, row in rows if "over_peer" in row]
        if points:
            draw_line(axes, name, points)
    axes.axhline(1, color=INK, linewidth=0.8)


def draw(cases, draw_case, y_label, path):
    columns = min(COLUMNS, len(cases))
    rows = math.ceil(len(cases) / columns)
    size = (3.6 * columns, 3.0 * rows + 0.5)
    figure, panels = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for axes in panels.flat[len(cases) :]:
        axes.remove()
    for axes, (title, measured) in zip(panels.flat, cases):
        draw_case(axes, lines_of(measured))
        batches = sorted({row["batch"] for row in measured})
        axes.set_title(title, fontsize=9)
        axes.set_xscale("log", base=2)
        axes.set_xticks(batches, [str(batch) for batch in batches], fontsize=7)
        axes.minorticks_off()
        axes.set_xlabel("batch")
    for axes in panels[:, 0]:
        axes.set_ylabel(y_label)
    handles = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels()):
            handles.setdefault(label, handle)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.35 / figure.get_figheight()))
    figure.legend(
        handles.values(), handles.keys(), loc="upper center", ncols=len(BACKENDS), frameon=False
    )
    save(figure, path)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=pathlib.Path, help="JSON of bench")
    parser.add_argument("--output", required=True, help="the plots' path without -limit.svg")
    args = parser.parse_args()
    cases = [case for path in args.files for case in read_cases(path)]
    if not cases:
        sys.exit("plot.py: expected files with measured rows, got none")
    use_style(STYLE)
    draw(cases, draw_limit, "% of the limit", f"{args.output}-limit.svg")
    draw(cases, draw_peer, "times as fast as the best peer", f"{args.output}-peer.svg")


if __name__ == "__main__":
    main()
