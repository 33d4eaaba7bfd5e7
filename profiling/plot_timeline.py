#!/usr/bin/env python3
"""A decode step before and after, from a trace of profiling/timeline/decode_step.

    profiling/plot_timeline.py profiling/timelines/decode_step.json --output decode_step.svg

draws two panels on one scale of time: a step that launches a seed kernel and an SSU a layer, and
the replay of the same layers as one graph. Each has what the host calls and what the device runs,
from the step's first call on. The same trace gives the same bytes. Text is text and the background
is transparent, in tones that can be read on dark and on light pages.
"""

import argparse
import json
import pathlib
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.patches import Patch  # noqa: E402

INK = "#848d97"
STYLE = pathlib.Path(__file__).with_name("plots.mplstyle")
# Kind of slice: name in the legend, colour.
KINDS = {
    "host": ("call that launches", "#a371f7"),
    "seed": ("seed kernel, or the graph's prologue", "#3b8eea"),
    "ssu": ("SSU kernel", "#e8762c"),
}
# The range of a step, and its panel's title.
PANELS = (
    ("eager step", "before: a seed kernel and a launch a layer"),
    ("replay", "after: one replay"),
)


def fail(message):
    sys.exit(f"plot_timeline.py: {message}")


def read_events(path):
    try:
        return json.loads(path.read_text())["traceEvents"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        fail(f"{path}: expected a trace of profiling/timeline: {error!r}")


def window_of(events, range_name):
    """Begin and end of the last step but one: until the step behind it begins."""
    begins = [
        event["ts"]
        for event in events
        if event["ph"] == "B"
        and event.get("cat") == "range"
        and event["name"].startswith(range_name)
    ]
    if len(begins) < 2:
        fail(f"expected two ranges '{range_name}' or more, got {len(begins)}")
    return begins[-2], begins[-1]


def launches_in(events, begin, end):
    """Calls of the window, as (begin, duration)."""
    open_at, calls = {}, []
    for event in events:
        if event["ph"] not in "BE":
            continue
        stack = open_at.setdefault(event["tid"], [])
        if event["ph"] == "B":
            stack.append(event)
            continue
        began = stack.pop()
        if began.get("cat") == "launch" and begin <= began["ts"] < end:
            calls.append((began["ts"], event["ts"] - began["ts"]))
    return calls


def kind_of(event):
    name = event["args"].get("step", event["args"]["kernel"])
    return "seed" if "seed" in name or name == "prologue" else "ssu"


def kernels_in(events, begin, end):
    """Kernels of the window, as (begin, exclusive duration, kind). A kernel that starts early
    mostly waits for the one in front, so it is drawn from that one's end on."""
    kernels = []
    for event in events:
        if event["ph"] == "X" and begin <= event["ts"] < end:
            exclusive = event["args"]["exclusive_us"]
            kernels.append((event["ts"] + event["dur"] - exclusive, exclusive, kind_of(event)))
    if not kernels:
        fail("expected kernels in every step, got one without")
    return kernels


def style():
    plt.style.use(STYLE)
    matplotlib.rcParams.update({"axes.spines.left": False, "ytick.left": False})


def counted(things, noun, plural):
    return f"{len(things)} {noun}{plural if len(things) != 1 else ''}"


def draw_panel(axes, events, range_name, title):
    """Returns where the panel ends."""
    begin, end = window_of(events, range_name)
    calls = launches_in(events, begin, end)
    kernels = kernels_in(events, begin, end)
    origin = min(call[0] for call in calls) if calls else begin
    done = max(start + length for start, length, _ in kernels) - origin
    busy = sum(length for _, length, _ in kernels)
    axes.broken_barh(
        [(start - origin, length) for start, length in calls],
        (1.1, 0.8),
        facecolor=KINDS["host"][1],
    )
    for kind in ("seed", "ssu"):
        bars = [(start - origin, length) for start, length, of in kernels if of == kind]
        axes.broken_barh(bars, (0.1, 0.8), facecolor=KINDS[kind][1])
    axes.set_yticks([0.5, 1.5], ["device", "host"])
    axes.set_ylim(0, 2)
    share = 100 * busy / (done - (min(start for start, _, _ in kernels) - origin))
    axes.set_title(
        f"{title}: {counted(calls, 'launch', 'es')}, {counted(kernels, 'kernel', 's')}, "
        f"{done:.0f} us, device busy {share:.0f}% of its time",
        fontsize=9,
        loc="left",
    )
    return done


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("trace", type=pathlib.Path, help="trace of decode_step")
    parser.add_argument("--output", required=True, type=pathlib.Path, help="path of the SVG")
    args = parser.parse_args()
    events = read_events(args.trace)
    style()
    figure, panels = plt.subplots(len(PANELS), 1, figsize=(9, 3.2), sharex=True)
    ends = [
        draw_panel(axes, events, range_name, title)
        for axes, (range_name, title) in zip(panels, PANELS)
    ]
    panels[-1].set_xlim(0, 1.01 * max(ends))
    panels[-1].set_xlabel("microseconds from the first call of the step")
    figure.tight_layout(rect=(0, 0, 1, 0.92))
    figure.legend(
        handles=[Patch(color=colour, label=label) for label, colour in KINDS.values()],
        loc="upper center",
        ncols=len(KINDS),
        frameon=False,
    )
    args.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.output, transparent=True, metadata={"Date": None, "Creator": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
