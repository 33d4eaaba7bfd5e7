#!/usr/bin/env python3
"""Holds what the sources include against the floors of the house.

    tests/floors.py [--root FOLDER] [--list]

A *room* is a header with its source: files of one folder and one name. Rooms stand on floors, from
the bottom up as FLOORS has them. A room may include rooms of its own floor and of floors below it,
never one above, and rooms may not include one another in a circle; nor may backends one another. A
file that stands on no floor is an error, too, and a floor without files. --list prints how many rooms
and includes each floor has. Ends with 1 if anything is wrong.
"""

import argparse
import collections
import pathlib
import re
import sys

# From the bottom up. A floor is what lies in these folders, folders below them not included; a
# public header stands on the floor that its subject is of.
FLOORS = [
    ("core", ["lib/core"], "export version error enum_set tensor_view tensor_layout byte_range stream device log"),
    ("random", ["lib/random"], "random"),
    ("device", ["lib/device"], ""),
    ("state", ["lib/state"], ""),
    ("step", ["lib/step"], "candidate_timing rings step"),
    ("slots", ["lib/ops/slots"], "cache_layout cache_view reset_slots slot_states"),
    ("ssu problem", ["lib/ops/ssu/problem"], "config ssu ssu_problem ssu_plan backend"),
    ("ssu backend", ["lib/ops/ssu/backends"], ""),
    ("ssu backends", [f"lib/ops/ssu/backends/{name}" for name in
                      ("reference", "native", "triton", "flashinfer")], ""),
    ("ssu", ["lib/ops/ssu"], "dispatch ssu_call"),
    ("graphs core", ["graphs/core"],
     "binding bucket_policy detail/callers_runtime lane_stats recording suggest_buckets target tuning"),
    ("layout", ["graphs/layout"], ""),
    ("record", ["graphs/record"], "tool"),
    ("plan", ["graphs/plan"], ""),
    ("lane", ["graphs/lane"], "lane"),
    ("pipeline", ["graphs"], "pipeline pipeline_builder sequence_group staging"),
    ("c_api", ["graphs/c_api"],
     "c/binding c/buckets c/builder c/cache_layout c/config c/dispatch c/export c/lane c/lane_stats c/library "
     "c/pipeline c/random c/reset_slots c/rings c/slot_states c/ssu c/ssu_call c/staging c/status c/step c/stream c/tensors c/toggle ssugraph"),
]
SUFFIXES = {".h", ".hpp", ".cpp", ".cu", ".cuh", ".in"}
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]((?:lib|graphs|ssugraph)/[^">]+)[">]', re.MULTILINE)


def room_of(path):
    """`lib/core/device` of its header and its source; public headers keep their place."""
    return re.sub(r"\.(h|hpp|cpp|cu|cuh)(\.in)?$", "", path)


def path_of(name):
    """Of what stands between quotes or brackets."""
    return f"include/{name}" if name.startswith("ssugraph/") else name


def sources(root):
    """Every file, by its path below `root`, with the paths that it includes."""
    found = {}
    for folder in ("include", "lib", "graphs"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SUFFIXES and path.is_file():
                text = path.read_text(encoding="utf-8")
                found[path.relative_to(root).as_posix()] = [
                    path_of(name) for name in INCLUDE.findall(text)]
    return found


def floor_of(path):
    """Its number, counted from the bottom; None if it stands on none."""
    if path.startswith("include/ssugraph/"):
        subject = room_of(path)[len("include/ssugraph/"):]
        for number, (_, _, subjects) in enumerate(FLOORS):
            if subject in subjects.split():
                return number
        return None
    folder = path.rpartition("/")[0]
    for number, (_, folders, _) in enumerate(FLOORS):
        if folder in folders:
            return number
    return None


def circles(arrows):
    """The sets of rooms that reach one another, by Tarjan's algorithm (1972)."""
    index, lowest, stack, found = {}, {}, [], []

    def visit(room):
        index[room] = lowest[room] = len(index)
        stack.append(room)
        for other in sorted(arrows.get(room, ())):
            if other not in index:
                visit(other)
                lowest[room] = min(lowest[room], lowest[other])
            elif other in stack:
                lowest[room] = min(lowest[room], index[other])
        if lowest[room] == index[room]:
            together = stack[stack.index(room):]
            del stack[stack.index(room):]
            if len(together) > 1:
                found.append(sorted(together))

    sys.setrecursionlimit(10000)
    for room in sorted(arrows):
        if room not in index:
            visit(room)
    return found


def empty_places(files):
    """Folders and public headers of FLOORS that are not there, and those that are twice."""
    places = [f"{folder}/" for _, folders, _ in FLOORS for folder in folders]
    places += [f"include/ssugraph/{subject}." for _, _, subjects in FLOORS
               for subject in subjects.split()]
    for place, times in collections.Counter(places).items():
        if times > 1:
            yield f"{place}: stands on {times} floors"
        if not any(path.startswith(place) for path in files):
            yield f"{place}: a floor without it"


def are_siblings(path, other):
    """Whether they are of two backends, which know nothing of each other."""
    backends = [re.match(r"lib/ops/ssu/backends/(\w+)/", name) for name in (path, other)]
    return all(backends) and backends[0][1] != backends[1][1]


def problems(files):
    """What is wrong, a line each."""
    arrows = collections.defaultdict(set)
    for path, includes in files.items():
        here = floor_of(path)
        if here is None:
            yield f"{path}: stands on no floor"
            continue
        for other in includes:
            there = floor_of(other)
            if there is not None and there > here:
                yield (f"{path}: on floor '{FLOORS[here][0]}' includes {other} "
                       f"of '{FLOORS[there][0]}' above it")
            if are_siblings(path, other):
                yield f"{path}: includes {other} of another backend"
            if room_of(other) != room_of(path):
                arrows[room_of(path)].add(room_of(other))
    for together in circles(arrows):
        yield "a circle: " + ", ".join(together)


def table(files):
    """Rooms and includes a floor, from the top down."""
    for number in reversed(range(len(FLOORS))):
        mine = [path for path in files if floor_of(path) == number]
        arrows = {(room_of(path), room_of(other)) for path in mine for other in files[path]
                  if room_of(path) != room_of(other)}
        rooms = len({room_of(path) for path in mine})
        yield f"{number:3} {FLOORS[number][0]:14} {rooms:3} rooms {len(arrows):4} includes"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    files = sources(options.root)
    if not files:
        parser.error(f"{options.root}: no source below it")
    if options.list:
        print("\n".join(table(files)))
    wrong = [*problems(files), *empty_places(files)]
    print("\n".join(wrong) if wrong else f"floors: {len(files)} files, nothing climbs")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
