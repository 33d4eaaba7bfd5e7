#!/usr/bin/env python3
r"""Compares the machine code of kernels between two builds, after a change that may not change any.

    tests/sass_diff.py old/libssugraph.a build/dev/libssugraph.a 'ssu_(tokens_)?kernel'

OLD and NEW are what cuobjdump reads: a library, archive, object or executable. Where they have code
for several architectures, --arch chooses one. Kernels go by their demangled names; where a change gave
them others, --rename=a::=b:: reads b:: for each a:: in those of OLD. One with yet another name in
NEW is found again by its code. Each is one of:

    identical  the same instructions with the same scheduling
    moved      identical but for the offsets of parameters. Kernels of one parameter list must agree
               on where each parameter went: one that does not reads another, and is different
    shuffled   the same instructions in another order, with other registers or other scheduling,
               which need not compute the same: look at those
    different  all else, and what only one build has

Only code is compared: neither constants in memory nor what a launch needs. The exit status is 1 if
a kernel is different, else 0; 2 if the input cannot be compared.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

SHOWN = 3  # lines of each build, from the first that differs

ARCHITECTURE = re.compile(r"\s*code for (sm_(\d+)\w*)")
FUNCTION = re.compile(r"\s*Function : (\S+)")
INSTRUCTION = re.compile(r"\s*/\*([0-9a-f]{4,})\*/\s+(\S.*?)\s*;\s*/\* 0x[0-9a-f]{16} \*/")
SECOND_WORD = re.compile(r"\s*/\* 0x([0-9a-f]{16}) \*/")
BANK_0 = re.compile(r"(c\[0x0\]\[(?:U?R[\w.]+\+)?)0x([0-9a-f]+)")
TARGET = re.compile(r"((?:@\S+ )?(?:BRA|BSSY|CALL|WARPSYNC)\b.*?)(0x[0-9a-f]+)$")
NUMBERED = re.compile(r"\b(U?[RP]|B|SB)\d+\b")


class BadInput(Exception):
    pass


class Instruction(NamedTuple):
    text: str  # targets of jumps are counted from the start of the kernel
    shape: str  # the text without the offsets of parameters
    offsets: list[int]
    scheduling: int = 0  # stalls, barriers and operands kept; all else encoded is in the text


Kernel = list[Instruction]
Kernels = dict[str, Kernel]


def instruction(text: str, first_parameter: int) -> Instruction:
    offsets = []

    def hide(found: re.Match) -> str:
        offset = int(found[2], 16)
        if offset < first_parameter:  # the driver's, always at the same place
            return found[0]
        offsets.append(offset)
        return f"{found[1]}parameter"

    return Instruction(text, BANK_0.sub(hide, text), offsets)


def parse(lines: Iterable[str]) -> dict[str, list[tuple[str, Kernel]]]:
    """The kernels of each architecture, with their mangled names."""
    found = defaultdict(list)
    for line in lines:
        if match := SECOND_WORD.match(line):
            kernel[-1] = kernel[-1]._replace(scheduling=int(match[1], 16) >> 41 & 0x1FFFFF)
        elif match := INSTRUCTION.match(line):
            if int(match[1], 16) != 16 * len(kernel):
                raise BadInput(f"cannot read the line before: {line.strip()}")
            kernel.append(instruction(match[2], first_parameter))
        elif match := ARCHITECTURE.match(line):
            architecture, number = match[1], int(match[2])
            first_parameter = 0x160 if number < 90 else 0x210 if number < 100 else 0x380
        elif match := FUNCTION.match(line):
            kernel = []
            found[architecture].append((match[1], kernel))
    for _, kernel in sum(found.values(), []):
        while kernel and kernel[-1].text == "NOP":  # only fills up the space behind
            kernel.pop()
    return found


def tool(name: str, where: str) -> str:
    if path := shutil.which(name):
        return path
    raise BadInput(f"no {name} on the PATH; {where}")


def read(file: Path) -> dict[str, list[tuple[str, Kernel]]]:
    if not file.is_file():
        raise BadInput(f"{file}: no such file")
    cuobjdump = tool("cuobjdump", "a CUDA toolkit has it in bin, and so have the wheels "
                                  "nvidia-cuda-cuobjdump and nvidia-cuda-nvdisasm")
    command = [cuobjdump, "-sass", file]
    with tempfile.TemporaryFile("w+") as complaints, subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=complaints, text=True) as dump:
        found = parse(dump.stdout)
        failed = dump.wait() != 0
        complaints.seek(0)
        if failed or not found:
            raise BadInput(f"{file}: cuobjdump finds no kernels\n{complaints.read()}".rstrip())
    return found


def choose(file: Path, architecture: str | None, names: str, rename: tuple = ("", "")) -> Kernels:
    """The kernels of a file by their demangled names, in which `rename` puts its second text for
    its first; the second of one name is `name #2`."""
    found = read(file)
    if architecture is None and len(found) > 1:
        raise BadInput(f"{file}: has {', '.join(found)}; choose one by --arch")
    architecture = architecture or next(iter(found))
    if architecture not in found:
        raise BadInput(f"{file}: has no {architecture}, but {', '.join(found)}")
    mangled, kernels = zip(*found[architecture])
    plain = subprocess.run([tool("c++filt", "binutils has it")], input="\n".join(mangled),
                           stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    seen, chosen = Counter(), {}
    for name, kernel in zip(plain, kernels):
        name = name.replace(*rename)
        seen[name] += 1
        if re.search(names, name):
            chosen[name if seen[name] == 1 else f"{name} #{seen[name]}"] = kernel
    if not chosen:
        raise BadInput(f"{file}: no kernel's name matches {names}")
    return chosen


def texts(kernel: Kernel) -> tuple:
    return tuple(one.text for one in kernel)


def shapes(kernel: Kernel) -> tuple:
    return tuple(one.shape for one in kernel)


def targets(kernel: Kernel) -> list[str]:
    return [found[2] for one in kernel if (found := TARGET.match(one.text))]


def anonymous(kernel: Kernel) -> list[str]:
    """The instructions without what depends on their order and on the choice of registers."""
    returns = {f"0x{16 * i + 16:x}" for i, one in enumerate(kernel) if "CALL" in one.text}

    def without(shape: str) -> str:
        rest, _, last = TARGET.sub(r"\1label", shape).rpartition(" ")
        last = "label" if "MOV" in rest and last in returns else last
        return NUMBERED.sub(r"\1", f"{rest} {last}").replace(".reuse", "")

    return [without(shape) for shape in shapes(kernel)]


def unordered(kernel: Kernel) -> tuple:
    return tuple(sorted(anonymous(kernel)))


def pair_up(old: Kernels, new: Kernels) -> dict[str, str]:
    """Names in OLD and in NEW: the same, else of kernels with the same code, in their order."""
    pairs = {name: name for name in old if name in new}
    for likeness in (texts, shapes, unordered):
        candidates = defaultdict(list)
        for name in sorted(new.keys() - set(pairs.values()), reverse=True):
            candidates[likeness(new[name])].append(name)
        for name in sorted(old.keys() - pairs.keys()):
            if alike := candidates[likeness(old[name])]:
                pairs[name] = alike.pop()
    return pairs


def moves(old: Kernel, new: Kernel) -> set[tuple[int, int]]:
    return {move for a, b in zip(old, new) for move in zip(a.offsets, b.offsets)}


def parameters(name: str) -> str:
    return name.rpartition("(")[2].partition(")")[0]


def layouts(pairs: dict[str, str], old: Kernels, new: Kernels) -> dict[str, dict[int, int]]:
    """Of each parameter list, where each offset is now: one to one, as most of its kernels say."""
    votes, agreed = defaultdict(Counter), defaultdict(dict)
    for before, after in pairs.items():
        if shapes(old[before]) == shapes(new[after]):
            votes[parameters(after)].update(moves(old[before], new[after]))
    for name, counts in votes.items():
        for (start, end), _ in counts.most_common():
            if start not in agreed[name] and end not in agreed[name].values():
                agreed[name][start] = end
    return agreed


def classify(old: Kernel, new: Kernel, layout: dict[int, int]) -> str:
    if shapes(old) == shapes(new):
        if not moves(old, new) <= layout.items():
            return "different"
        if any(a.scheduling != b.scheduling for a, b in zip(old, new)):
            return "shuffled"
        return "identical" if texts(old) == texts(new) else "moved"
    # What no kernel of the same shape reads has no known place.
    was = Counter(layout[offset] for one in old for offset in one.offsets if offset in layout)
    now = Counter(offset for one in new for offset in one.offsets if offset in layout.values())
    if was != now or unordered(old) != unordered(new):
        return "different"
    in_order = anonymous(old) == anonymous(new)
    return "different" if in_order and targets(old) != targets(new) else "shuffled"


def show(old: Kernel, new: Kernel, layout: dict[int, int]) -> None:
    """The first lines that differ. Targets of jumps come after what moves them."""
    differences = (lambda a, b: TARGET.sub(r"\1", a.shape) != TARGET.sub(r"\1", b.shape),
                   lambda a, b: a.shape != b.shape,
                   lambda a, b: not moves([a], [b]) <= layout.items(),
                   lambda a, b: a.scheduling != b.scheduling)
    first = next((i for differ in differences for i, (a, b) in enumerate(zip(old, new))
                  if differ(a, b)), min(len(old), len(new)))
    for sign, kernel in (("-", old), ("+", new)):
        for i, one in enumerate(kernel[first:first + SHOWN], first):
            print(f"    {sign} {16 * i:04x}  {one.text}  [{one.scheduling:06x}]")


def compare(old: Kernels, new: Kernels) -> Counter:
    """How many kernels there are of each class; prints what one must know of them."""
    pairs = pair_up(old, new)
    agreed = layouts(pairs, old, new)
    count = Counter()
    for before, after in pairs.items():
        layout = agreed[parameters(after)]
        kind = classify(old[before], new[after], layout)
        count[kind] += 1
        if before != after:
            print(f"renamed: {before}\n     to: {after}")
        if kind in {"shuffled", "different"}:
            print(f"{kind}: {after}, {len(old[before])} -> {len(new[after])} instructions")
            show(old[before], new[after], layout)
    for build, kernels, found in ("OLD", old, pairs), ("NEW", new, pairs.values()):
        for name in sorted(kernels.keys() - set(found)):
            count["different"] += 1
            print(f"only in {build}: {name}")
    for name, layout in agreed.items():
        if moved := [f"0x{a:x} -> 0x{b:x}" for a, b in sorted(layout.items()) if a != b]:
            print(f"offsets of ({name}): {', '.join(moved)}")
    return count


def renaming(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not old or not equals:
        raise argparse.ArgumentTypeError(f"'{text}' is not A=B")
    return old, new


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, metavar="OLD")
    parser.add_argument("new", type=Path, metavar="NEW")
    parser.add_argument("names", nargs="?", default="", help="regular expression of names")
    parser.add_argument("--arch", help="the code to compare, for example sm_90")
    parser.add_argument("--rename", type=renaming, default=("", ""), metavar="A=B",
                        help="text of names in OLD, and what it is in NEW")
    options = parser.parse_intermixed_args()
    try:
        count = compare(choose(options.old, options.arch, options.names, options.rename),
                        choose(options.new, options.arch, options.names))
    except (BadInput, re.error) as complaint:
        print(f"sass_diff: {complaint}", file=sys.stderr)
        return 2
    for kind in ("identical", "moved", "shuffled", "different"):
        print(f"{kind}: {count[kind]}")
    return 1 if count["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
