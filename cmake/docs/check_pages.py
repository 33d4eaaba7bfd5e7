"""Checks the repository's Markdown pages: that their links lead somewhere, that the commands in them
name what there is, and that their C and C++ compiles; and that what stands between @code and @endcode
in the public headers does.

A block of language cpp or c is the body of a function, behind prelude.hpp in C++; its #include lines
go in front. It is a whole file where its first line says so:  ```cpp whole
Tag `cuda` leaves a block out where there are no CUDA headers. Blocks in C
are left out where nobody says where DLPack's header is.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import markdown

ROOT = Path(__file__).resolve().parents[2]
DOCS = Path(__file__).resolve().parent
LANGUAGES = {"cpp", "c", "cmake", "sh", "indented", "json", "text", ""}


def place(page: Path, line: int) -> str:
    return f"{os.path.relpath(page, ROOT)}:{line}"


def check_links(pages: list[Path]) -> tuple[int, list[str]]:
    count, wrong = 0, []
    for page in pages:
        for line, target in markdown.links(page.read_text()):
            if markdown.is_external(target):
                continue
            count += 1
            path, _, anchor = target.partition("#")
            file = page.parent / path if path else page
            if not file.exists():
                wrong.append(f"{place(page, line)}: there is no {target}")
            elif anchor and anchor not in {a for _, a in markdown.headings(file.read_text())}:
                wrong.append(f"{place(page, line)}: {path or 'the page'} has no heading #{anchor}")
    return count, wrong


class Commands:
    """What the commands of a page may name."""

    def __init__(self) -> None:
        self.cmake = self.text_of("CMakeLists.txt", "*/**/CMakeLists.txt", "**/*.cmake")
        self.sources = self.text_of("examples/**/*.[ch]pp", "profiling/**/*.[ch]pp", "**/*.sh",
                                    "profiling/*.cu", "profiling/*.py")
        presets = json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]
        self.presets = {preset["name"] for preset in presets}

    @staticmethod
    def text_of(*patterns: str) -> str:
        files = {file for pattern in patterns for file in ROOT.glob(pattern)}
        outside = re.compile(r"/(build[^/]*|\.git)/")
        return "\n".join(f.read_text() for f in sorted(files)
                         if not outside.search(f"/{f.relative_to(ROOT)}"))

    def has_target(self, name: str) -> bool:
        name = name.removeprefix("lib").removesuffix(".so")
        made = r"(add_(executable|library|custom_target)|small_example)"
        return re.search(rf"\b{made}\(\s*{re.escape(name)}\b", self.cmake) is not None

    def missing(self, line: str, folders: set[str]) -> list[str]:
        """What of a line does not exist: scripts, presets, targets, options. `folders` of build/ are
        made by the page itself."""
        wrong = []
        program = False
        for word in re.findall(r"[^\s'\"`;|&()=,]+", line.split(" #")[0]):
            word = word.rstrip(":.")
            if match := re.fullmatch(r"build/([\w-]+)/(?:[\w-]+/)*([\w.-]+)", word):
                program = True
                if match[1] not in self.presets | folders:
                    wrong.append(f"preset {match[1]}")
                if not match[2].endswith(".cmake") and not self.has_target(match[2]):
                    wrong.append(f"target {match[2]}")
            elif re.fullmatch(r"(?:[\w-]+/)+[\w-]+\.(?:sh|py|txt)", word) and "<" not in line:
                program = True
                if not (ROOT / word).exists():
                    wrong.append(f"file {word}")
            elif re.fullmatch(r"-DSSUGRAPH_\w+", word):
                option = word.removeprefix("-D")
                if not re.search(rf"\b{option}\b", self.cmake):
                    wrong.append(f"option {option}")
            elif self.has_target(word) and line.lstrip().startswith(word):
                program = True
            elif program and re.fullmatch(r"--[a-z][a-z-]+", word):
                if word[2:] not in {"gtest_filter"} and f'"{word}' not in self.sources:
                    wrong.append(f"option {word} of any program")
        for preset in re.findall(r"--preset[ =](\w+)", line):
            if preset not in self.presets:
                wrong.append(f"preset {preset}")
        return wrong


def check_commands(pages: list[Path]) -> tuple[int, list[str]]:
    commands = Commands()
    count, wrong = 0, []
    for page in pages:
        folders = set(re.findall(r"-B build/([\w-]+)", page.read_text()))
        for block in markdown.prose_and_blocks(page.read_text())[1]:
            if block.language not in LANGUAGES:
                wrong.append(f"{place(page, block.line)}: language {block.language} is not checked")
            if block.language not in {"sh", "indented"}:
                continue
            joined = re.sub(r" *\\\n *", " ", block.code)
            for line in joined.splitlines():
                count += 1
                wrong += [f"{place(page, block.line)}: there is no {what}: {line}"
                          for what in commands.missing(line, folders)]
    return count, wrong


def code_of_header(text: str) -> list[markdown.Block]:
    """What comments that begin with ` * ` have between @code and @endcode."""
    return [markdown.Block(text.count("\n", 0, match.start(2)) + 1, match[1], [],
                           re.sub(r"^ \* ?", "", match[2], flags=re.MULTILINE))
            for match in re.finditer(r"^ \* @code\{\.(cpp|c)\}\n(.*?)^ \* @endcode$", text,
                                     re.MULTILINE | re.DOTALL)]


def blocks_of(file: Path) -> list[markdown.Block]:
    """The code in a page or header."""
    text = file.read_text()
    return markdown.prose_and_blocks(text)[1] if file.suffix == ".md" else code_of_header(text)


def source_of(page: Path, block: markdown.Block) -> str:
    origin = f'#line {block.line} "{place(page, block.line).rpartition(":")[0]}"\n'
    if "whole" in block.tags:
        return origin + block.code
    lines = block.code.splitlines()
    is_include = [line.startswith("#include") for line in lines]
    includes = "\n".join(line for line, is_one in zip(lines, is_include) if is_one)
    body = "\n".join("" if is_one else line for line, is_one in zip(lines, is_include))
    if block.language == "c":
        prelude = f'#include "{DOCS / "prelude.h"}"\n{includes}\n'
        return f"{prelude}void fragment(void) {{\n{origin}{body}\n}}\n"
    prelude = f'#include "{DOCS / "prelude.hpp"}"\n{includes}\n'
    return f"{prelude}namespace page {{\nvoid fragment() {{\n{origin}{body}\n}}\n}}\n"


def compile_block(page: Path, block: markdown.Block, compiler: str, include: list[str]) -> str:
    """The compiler's complaint, if it has any."""
    language = ["-x", "c++", "-std=c++20"] if block.language == "cpp" else ["-x", "c", "-std=c11"]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "block"
        source.write_text(source_of(page, block))
        command = [compiler, *language, "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
                   "-Wno-unused", "-Wno-missing-field-initializers", "-I", str(ROOT / "include"),
                   *include]
        done = subprocess.run([*command, str(source)], capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr.strip() or f"{compiler}: {done.returncode}"


def check_code(files: list[Path], compiler: str, cuda: list[str] = (),
               dlpack: str = "") -> tuple[int, list[str]]:
    has_cuda = any((Path(path) / "cuda_runtime_api.h").exists() for path in cuda)
    include = [word for path in cuda for word in ("-isystem", path)]
    include += ["-I", dlpack] if dlpack else []
    found = [(file, block) for file in files for block in blocks_of(file)
             if block.language in {"cpp", "c"}]
    blocks = []
    for page, block in found:
        lacks = ("CUDA headers" if "cuda" in block.tags and not has_cuda else
                 "folder of DLPack's header" if block.language == "c" and not dlpack else "")
        if lacks:
            print(f"{place(page, block.line)}: left out, there is no {lacks}")
        else:
            blocks.append((page, block))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        complaints = list(pool.map(lambda b: compile_block(*b, compiler, include), blocks))
    return len(blocks), [complaint for complaint in complaints if complaint]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("what", choices=["links", "commands", "code"])
    parser.add_argument("--compiler", default="c++")
    parser.add_argument("--cuda", default="", help="folders of CUDA's headers, by semicolons")
    parser.add_argument("--dlpack", default="", help="folder that dlpack/dlpack.h is in")
    options = parser.parse_args()

    pages = markdown.pages(ROOT)
    if options.what == "links":
        count, wrong = check_links(pages)
    elif options.what == "commands":
        count, wrong = check_commands(pages)
    else:
        cuda = [path for path in options.cuda.split(";") if path]
        pages += sorted((ROOT / "include").rglob("*.h*"))
        count, wrong = check_code(pages, options.compiler, cuda, options.dlpack)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"{len(pages)} files, {count} {options.what}, {len(wrong)} wrong")
    if count == 0:
        print(f"there are no {options.what}, so nothing was checked")
    return 1 if wrong or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
