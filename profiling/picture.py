"""What the pictures share: one style, and files that are the same bytes for the same figures.

Text is text and the ground is transparent, in tones that can be read on dark and on light pages.
"""

import pathlib

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

INK = "#848d97"


def use_style(settings):
    plt.style.use(pathlib.Path(__file__).with_name("plots.mplstyle"))
    matplotlib.rcParams.update(settings)


def save(figure, path):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})
    plt.close(figure)
