"""Filter of doxygen's for a page: names anchors and linked pages so that the site's links hold."""

import re
import sys
from pathlib import Path

import markdown

root = Path(__file__).resolve().parents[2]


def anchor_of(page: Path, anchor: str) -> str:
    """Anchors are unique in the site, not only in a page."""
    return re.sub(r"\W", "_", f"{page.relative_to(root).with_suffix('')}_{anchor}")


def site_target(page: Path, target: str) -> str | None:
    """What `target`, a link of `page`, is in the site; None where it has no place there."""
    path, _, anchor = target.partition("#")
    if markdown.is_external(target):
        return target
    file = (page.parent / path).resolve() if path else page
    if file.suffix == ".md":
        first = next((a for _, a in markdown.headings(file.read_text())), "")
        return "#" + anchor_of(file, anchor or first)
    return target if file.suffix == ".svg" else None


def filtered(page: Path) -> str:
    text = page.read_text()
    lines = text.splitlines()
    for number, anchor in markdown.headings(text):
        lines[number - 1] += f" {{#{anchor_of(page, anchor)}}}"

    def rewritten(match: re.Match) -> str:
        target = site_target(page, match[2])
        return match[1].strip("![]") if target is None else f"{match[1]}({target})"

    for number, line in markdown.prose_and_blocks(text)[0][:-1]:
        lines[number - 1] = re.sub(r"(!?\[[^\]]*\])\(([^)\s]+)\)", rewritten, lines[number - 1])
    return "\n".join(lines) + "\n"


print(filtered(Path(sys.argv[1]).resolve()), end="")
