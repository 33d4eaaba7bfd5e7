"""What a manifest names: specialisations of the kernel, one a line of alternatives (README.md)."""

import itertools
import re
import sys
from typing import NamedTuple

dtypes = ["float32", "float16", "bfloat16"]  # by their numbers in kernel/memory.py
states = dtypes + ["rounded_float16", "rounded_bfloat16"]
choices = {
    "state": states,
    "io": dtypes + ["any"],
    "dstate": ["16", "32", "64", "128", "256"],
    "step": ["tied", "untied"],
    "tokens": ["one", "many"],
    "access": ["vector", "any"],
    "tile": None,
}


class image(NamedTuple):
    """One specialisation of the kernel for one architecture."""
    architecture: int
    state: str
    io: str
    dstate: int
    step: str
    tokens: str
    access: str
    rows: int
    warps: int

    def __str__(self):
        return (f"sm_{self.architecture} state={self.state} io={self.io} dstate={self.dstate} "
                f"step={self.step} tokens={self.tokens} access={self.access} "
                f"tile={self.rows}x{self.warps}")

    @property
    def state_dtype(self):
        return self.state.removeprefix("rounded_")

    def constexprs(self):
        return {
            "STATE": dtypes.index(self.state_dtype),
            "ROUNDING": self.state != self.state_dtype,
            "IO": choices["io"].index(self.io),
            "DSTATE": self.dstate,
            "TIED": self.step == "tied",
            "MANY": self.tokens == "many",
            "VECTOR": self.access == "vector",
            "ROWS": self.rows,
            "WARPS": self.warps,
            "PROGRAMMATIC": self.architecture >= 90,
        }

    def aligned_pointers(self):
        if self.access != "vector":
            return []
        return ["state", "B", "C"] + (["A"] if self.step == "untied" else [])


class manifest_error(Exception):
    pass


def parse_tile(text, dstate):
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match:
        raise manifest_error(f"tile={text} is not ROWSxWARPS")
    rows, warps = map(int, match.groups())
    if rows & (rows - 1) or warps & (warps - 1) or not 1 <= warps <= 32:
        raise manifest_error(f"tile={text}: rows and warps are powers of two, warps at most 32")
    least = warps * 32 // (dstate // 8)
    if rows < least:
        raise manifest_error(f"tile={text}: {warps} warps take {least} rows of dstate {dstate}")
    return rows, warps


def parse_line(line):
    axes = {}
    for word in line.split():
        key, _, values = word.partition("=")
        if key not in choices:
            raise manifest_error(f"'{word}' names none of {', '.join(choices)}")
        axes[key] = values.split(",")
        for value in axes[key]:
            if choices[key] is not None and value not in choices[key]:
                raise manifest_error(f"{key}={value} is none of {', '.join(choices[key])}")
    missing = [key for key in choices if key not in axes]
    if missing:
        raise manifest_error(f"lacks {', '.join(missing)}")
    for values in itertools.product(*(axes[key] for key in choices)):
        entry = dict(zip(choices, values))
        tile = entry.pop("tile")
        entry["dstate"] = int(entry["dstate"])
        entry["rows"], entry["warps"] = parse_tile(tile, entry["dstate"])
        yield entry


def read_manifest(path, architectures):
    """The images that a manifest names, in its order and without repetitions."""
    images = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        try:
            for entry in parse_line(line):
                for architecture in architectures:
                    images[image(architecture=architecture, **entry)] = None
        except manifest_error as error:
            sys.exit(f"{path}:{number}: {error}")
    return list(images)
