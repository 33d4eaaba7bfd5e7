#!/usr/bin/env python3
r"""A decode step before and after, from a trace of profiling/timeline/decode_step.

    profiling/plot_timeline.py profiling/timelines/decode_step.json \
      --output profiling/plots/h100-decode-step.svg

draws two panels on one scale of time: a step that launches a seed kernel and an SSU a layer, and
the replay of the same layers as one graph, the last of each in the trace. Each has what the host
calls and what the device runs, from the step's first call on. `--cut decode_step.json` keeps the
events of these two steps in a trace of their own.
"""

import argparse
import itertools
import json
import math
import pathlib
import sys
from typing import NamedTuple

from matplotlib.patches import Patch

from picture import INK, plt, save, use_style

# Kind of slice: name in the legend, colours of one and the next, so that neighbours differ.
KINDS = {
    "host": ("host: call that launches", ("#a371f7", "#8352d6")),
    "seed": ("device: seed kernel, or the graph's prologue", ("#3b8eea", "#3b8eea")),
    "ssu": ("device: SSU kernel", ("#e8762c", "#c2571a")),
}
# The range of a step, and its panel's title.
PANELS = {
    "eager step": "before: a seed kernel and a launch a layer",
    "replay": "after: one replay",
}


class slice_of_time(NamedTuple):
    begin: float
    length: float
    kind: str


def fail(message):
    sys.exit(f"plot_timeline.py: {message}")


def window_of(events, range_name):
    """When the last step of that name begins, and when any other does after it."""
    begins = [
        (event["ts"], event["name"])
        for event in events
        if event["ph"] == "B"
        and event.get("cat") == "range"
        and event["name"].startswith(tuple(PANELS))
    ]
    last = max((begin for begin, name in begins if name.startswith(range_name)), default=None)
    if last is None:
        fail(f"expected a range '{range_name}' in the trace, got none")
    return last, min((begin for begin, _ in begins if begin > last), default=math.inf)


def within(window, event):
    return event["ph"] != "M" and window[0] <= event["ts"] < window[1]


def calls_in(events):
    """Calls that launch."""
    open_at, calls = {}, []
    for event in events:
        if event["ph"] == "B":
            open_at.setdefault(event["tid"], []).append(event)
        elif event["ph"] == "E":
            began = open_at[event["tid"]].pop()
            if began.get("cat") == "launch":
                calls.append(slice_of_time(began["ts"], event["ts"] - began["ts"], "host"))
    return sorted(calls)


def kernels_in(events):
    """Kernels in their exclusive time: one that starts early mostly waits for the one in front, so
    it is drawn from that one's end on."""
    kernels = []
    for event in events:
        if event["ph"] != "X":
            continue
        name = event["args"].get("step", event["args"]["kernel"])
        kind = "seed" if "seed" in name or name == "prologue" else "ssu"
        exclusive = event["args"]["exclusive_us"]
        kernels.append(slice_of_time(event["ts"] + event["dur"] - exclusive, exclusive, kind))
    return sorted(kernels)


def read_steps(path):
    """The trace, the windows of its last steps, and by range what the host and the device did."""
    try:
        trace = json.loads(path.read_text())
        events = trace["traceEvents"]
        windows = {name: window_of(events, name) for name in PANELS}
        steps = {}
        for name, window in windows.items():
            inside = [event for event in events if within(window, event)]
            steps[name] = calls_in(inside), kernels_in(inside)
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        fail(f"{path}: expected a trace of profiling/timeline: {error!r}")
    for name, (calls, kernels) in steps.items():
        if not calls or not kernels:
            fail(f"{path}: expected launches and kernels in the last '{name}', got a step without")
    return trace, windows.values(), steps


def write_cut(trace, windows, path):
    """One event a line, as the timeline itself writes them; times are whole nanoseconds."""
    kept = [
        event
        for event in trace["traceEvents"]
        if event["ph"] == "M" or any(within(window, event) for window in windows)
    ]
    for event in kept:
        event.update({key: round(event[key], 3) for key in ("ts", "dur") if key in event})
    lines = ",\n".join(json.dumps(event, separators=(",", ":")) for event in kept)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'{{"displayTimeUnit": "ns",\n"otherData": {json.dumps(trace.get("otherData", {}))},\n'
        f'"traceEvents": [\n{lines}\n]}}\n'
    )


def draw_slices(axes, slices, bottom):
    turns = {kind: itertools.cycle(colours) for kind, (_, colours) in KINDS.items()}
    for one in slices:
        axes.broken_barh([(one.begin, one.length)], (bottom, 0.8), facecolor=next(turns[one.kind]))


def counted(things, noun, plural):
    return f"{len(things)} {noun}{plural if len(things) != 1 else ''}"


def draw_panel(axes, title, calls, kernels):
    """Returns where the step ends."""
    origin = calls[0].begin
    calls, kernels = (
        [one._replace(begin=one.begin - origin) for one in slices] for slices in (calls, kernels)
    )
    draw_slices(axes, calls, 1.1)
    draw_slices(axes, kernels, 0.1)
    end = max(one.begin + one.length for one in kernels)
    busy = 100 * sum(one.length for one in kernels) / (end - kernels[0].begin)
    axes.axvline(end, color=INK, linewidth=0.8, linestyle=":")
    axes.annotate(
        f"{end:.0f} us",
        (end, 1.5),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        fontsize=12,
        fontweight="bold",
    )
    axes.set_yticks([0.5, 1.5], ["device", "host"])
    axes.set_ylim(0, 2)
    axes.set_title(
        f"{title}: {counted(calls, 'launch', 'es')}, {counted(kernels, 'kernel', 's')}, "
        f"the device busy for {busy:.0f}% from its first to its last",
        fontsize=9,
        loc="left",
    )
    return end


def draw(steps):
    figure, panels = plt.subplots(len(PANELS), 1, figsize=(9, 3.3), sharex=True)
    ends = [
        draw_panel(axes, title, *steps[name]) for axes, (name, title) in zip(panels, PANELS.items())
    ]
    panels[-1].set_xlim(0, 1.12 * max(ends))
    panels[-1].set_xlabel("microseconds from the step's first call, under the tracer")
    figure.tight_layout(rect=(0, 0, 1, 0.92))
    figure.legend(
        handles=[Patch(color=colours[0], label=label) for label, colours in KINDS.values()],
        loc="upper center",
        ncols=len(KINDS),
        frameon=False,
    )
    return figure


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("trace", type=pathlib.Path, help="trace of decode_step")
    parser.add_argument("--output", required=True, help="path of the SVG")
    parser.add_argument("--cut", type=pathlib.Path, help="path of a trace of the two steps alone")
    args = parser.parse_args()
    trace, windows, steps = read_steps(args.trace)
    if args.cut:
        write_cut(trace, windows, args.cut)
    use_style({"axes.spines.left": False, "ytick.left": False})
    save(draw(steps), args.output)


if __name__ == "__main__":
    main()
