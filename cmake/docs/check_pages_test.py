"""That the checks of the pages find what is wrong, and pass what is not."""

import os
import sys
import tempfile
import unittest
from pathlib import Path

import check_pages
import markdown

COMPILER = os.environ.get("CXX", "c++")
DLPACK = ""  # without it, C is not compiled


class Checks(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def page(self, text: str) -> list[Path]:
        file = self.folder / "page.md"
        file.write_text(text)
        return [file]

    def expect(self, found: tuple[int, list[str]], count: int, *wrong: str) -> None:
        self.assertEqual(found[0], count)
        self.assertEqual(len(found[1]), len(wrong), found[1])
        for complaint, text in zip(found[1], wrong):
            self.assertIn(text, complaint)

    def test_links(self) -> None:
        page = self.page("# A `b`: c_d\n[1](#a-b-c_d) [2](#a) [3](page.md) [4](absent.md)\n"
                         "[5](https://example.org) `[6](absent)`\n\n    [7](absent)\n")
        self.expect(check_pages.check_links(page), 4, "no heading #a", "there is no absent.md")

    def test_commands(self) -> None:
        page = self.page("text\n\n    cmake --preset host -DSSUGRAPH_DOCS=ON\n"
                         "    build/release/examples/serving_loop --batches 3 --tp 2\n\n"
                         "```sh\ncmake --preset hots -DSSUGRAPH_DOC=ON\nexamples/runs.sh\n"
                         "build/dev/examples/absent\n```\n```rust\n```\n")
        self.expect(check_pages.check_commands(page), 5, "option --batches", "option SSUGRAPH_DOC",
                    "preset hots", "file examples/runs.sh", "target absent", "language rust")

    def test_code(self) -> None:
        page = self.page("```cpp\n#include <array>\nlane.replay(batch, stream);\n"
                         "std::array<int, 2> two{};\n```\n"
                         "```cpp\nlane.replay(batch);\n```\n"
                         "```cpp whole\nint main() { return missing; }\n```\n")
        self.expect(check_pages.check_code(page, COMPILER), 3, "page.md:7", "page.md:10")

    def test_code_in_c(self) -> None:
        page = self.page("```c\n#include <stdint.h>\nint32_t class = 1;\n```\n"
                         "```c\nint *p = absent(1);\n```\n")
        self.expect(check_pages.check_code(page, COMPILER), 0)
        if DLPACK:
            self.expect(check_pages.check_code(page, COMPILER, dlpack=DLPACK), 2, "absent")

    def test_code_in_headers(self) -> None:
        file = self.folder / "header.hpp"
        file.write_text("/**\n * Of a lane.\n *\n * @code{.cpp}\n * lane.replay(batch, stream);\n"
                        " *\n * lane.replay(batch);\n * @endcode\n */\n")
        self.expect(check_pages.check_code([file], COMPILER), 1, "header.hpp:7")

    def test_a_block_without_an_end(self) -> None:
        with self.assertRaises(ValueError):
            markdown.prose_and_blocks("```cpp\nint i;\n")

    def test_blocks_and_their_lines(self) -> None:
        blocks = markdown.prose_and_blocks("a\n\n    b\n\n```cpp whole\nc\n```\n")[1]
        self.assertEqual(blocks, [markdown.Block(3, "indented", [], "b\n"),
                                  markdown.Block(6, "cpp", ["whole"], "c\n")])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        COMPILER = sys.argv.pop(1)
    if len(sys.argv) > 1:
        DLPACK = sys.argv.pop(1)
    unittest.main()
