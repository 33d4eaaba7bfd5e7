#!/usr/bin/env python3
r"""What each format of the state loses, from what `state_error --json` wrote.

    profiling/plot_state_error.py profiling/baselines/state_error.json \
      --output profiling/plots/state-error.svg

has a panel for each kind of head: the error of `out` for each format, stored at every token and every
so many, rounded to nearest and stochastically.
"""

import argparse
import json
import pathlib
import sys

from picture import INK, plt, save, use_style

# Of the kinds of rounding: colour, marker, place beside the format.
ROUNDING = {"nearest": ("#e8762c", "o", -0.14), "stochastic": ("#3b8eea", "D", 0.14)}
TITLES = {
    "slow": "slow decay",
    "usual": "usual decay",
    "silent": "slow decay, then no input",
}
STYLE = {
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": INK,
    "grid.alpha": 0.25,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.5,
}


def read(path):
    """Options and rows."""
    try:
        report = json.loads(path.read_text())
        rows = [
            (row["head"], row["format"], row["rounding"], row["every"], row["error"])
            for row in report["rows"]
        ]
        return report["options"]["tokens"], rows
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"plot_state_error.py: {path}: expected what state_error --json writes: {error!r}")


def draw_panel(axes, rows, formats):
    for rounding, (colour, marker, beside) in ROUNDING.items():
        for place, name in enumerate(formats):
            points = sorted(row[3:] for row in rows if row[1:3] == (name, rounding))
            if not points:
                continue
            xs = [place + beside] * len(points)
            axes.plot(xs, [error for _, error in points], color=colour, linewidth=0.8)
            for (every, error), x in zip(points, xs):
                filled = colour if every == 1 else "none"
                axes.plot(x, error, marker, color=colour, markerfacecolor=filled)
    axes.set_yscale("log")
    axes.minorticks_off()
    axes.set_xticks(range(len(formats)), formats)
    axes.tick_params(axis="x", length=0)


def draw(tokens, rows, path):
    kinds = list(dict.fromkeys(row[0] for row in rows))
    formats = list(dict.fromkeys(row[1] for row in rows))
    figure, panels = plt.subplots(
        1, len(kinds), figsize=(3.3 * len(kinds), 3.6), sharey=True, squeeze=False
    )
    for axes, kind in zip(panels.flat, kinds):
        draw_panel(axes, [row for row in rows if row[0] == kind], formats)
        axes.set_title(TITLES.get(kind, kind), fontsize=9)
    panels[0, 0].set_ylabel(f"error of out, second half of {tokens} tokens")
    for rounding, (colour, marker, _) in ROUNDING.items():
        for every in sorted({row[3] for row in rows}):
            when = "every token" if every == 1 else f"every {every} tokens"
            filled = colour if every == 1 else "none"
            label = f"{rounding}, {when}"
            panels[0, 0].plot([], [], marker, color=colour, markerfacecolor=filled, label=label)
    handles, _ = panels[0, 0].get_legend_handles_labels()
    figure.tight_layout(rect=(0, 0, 1, 0.92))
    figure.legend(handles=handles, loc="upper center", ncols=len(handles), frameon=False)
    save(figure, path)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=pathlib.Path, help="JSON of state_error")
    parser.add_argument("--output", required=True, help="the picture")
    args = parser.parse_args()
    tokens, rows = read(args.file)
    if not rows:
        sys.exit(f"plot_state_error.py: {args.file}: expected measured rows, got none")
    use_style(STYLE)
    draw(tokens, rows, args.output)


if __name__ == "__main__":
    main()
