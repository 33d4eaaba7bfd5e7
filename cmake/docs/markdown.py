"""Reads the repository's Markdown pages: headings, links and code blocks, with their lines."""

import re
import subprocess
from pathlib import Path
from typing import Iterator, NamedTuple

FENCE = re.compile(r"^ {0,3}(```+|~~~+)\s*(.*?)\s*$")
HEADING = re.compile(r"^#{1,6} +(.*?)\s*$")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE_SPAN = re.compile(r"(`+)(.+?)\1")


class Block(NamedTuple):
    """A code block: its first line of code, counted from 1, and what stands behind the fence."""

    line: int
    language: str
    tags: list[str]
    code: str


def pages(root: Path) -> list[Path]:
    """All pages that git tracks or would track."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True)
    if listed.returncode == 0:
        found = [root / name for name in listed.stdout.decode().split("\0") if name.endswith(".md")]
        return sorted(page for page in found if page.exists())
    build = re.compile(r"/(build[^/]*|\.[^/]+)/")
    return sorted(p for p in root.rglob("*.md") if not build.search(str(p.relative_to(root.parent))))


def prose_and_blocks(text: str) -> tuple[list[tuple[int, str]], list[Block]]:
    """The lines outside of code blocks with their numbers, and the blocks: fenced ones, and as
    language `indented` those that four spaces make."""
    prose, blocks = [], []
    fence, start, tags, code = "", 0, [], []
    indented: list[str] = []
    before = ""
    for number, line in enumerate(text.splitlines() + [""], 1):
        match = FENCE.match(line)
        if fence:
            if match and match[1].startswith(fence) and not match[2]:
                blocks.append(Block(start, tags[0] if tags else "", tags[1:], "\n".join(code) + "\n"))
                fence = ""
            else:
                code.append(line)
        elif match:
            fence, start, tags, code = match[1], number + 1, match[2].split(), []
        elif line.startswith("    ") and (indented or not before.strip()):
            if not indented:
                start = number
            indented.append(line[4:])
        else:
            if indented:
                blocks.append(Block(start, "indented", [], "\n".join(indented) + "\n"))
                indented = []
            prose.append((number, line))
        before = line
    if fence:
        raise ValueError(f"line {start}: a code block without an end")
    return prose, blocks


def headings(text: str) -> Iterator[tuple[int, str]]:
    """Lines and anchors of the headings, as GitHub makes them."""
    seen: dict[str, int] = {}
    for number, line in prose_and_blocks(text)[0]:
        if match := HEADING.match(line):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1]).replace("`", "")
            anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
            times = seen[anchor] = seen.get(anchor, -1) + 1
            yield number, f"{anchor}-{times}" if times else anchor


def links(text: str) -> Iterator[tuple[int, str]]:
    """Lines and targets of the links and images, code aside."""
    for number, line in prose_and_blocks(text)[0]:
        for match in LINK.finditer(CODE_SPAN.sub("", line)):
            yield number, match[1]


def is_external(target: str) -> bool:
    return re.match(r"[a-z]+:", target) is not None
