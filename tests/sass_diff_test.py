"""That sass_diff tells apart what it says it does, in listings that no compiler wrote."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOOL = Path(__file__).resolve().parent / "sass_diff.py"
A, B, C = "_Z1aPf", "_Z1bPf", "_Z1cPf"  # a(float*), ...
CODE = ["LDC R1, c[0x0][0x28]", "ULDC.64 UR4, c[0x0][0x210]", "LDC R2, c[0x0][R3+0x218]",
        "@!P0 BRA 0x50", "FADD R4, R2, 1", "EXIT"]


def edited(*changes: tuple[str, str]) -> list[str]:
    code = "\n".join(CODE)
    for old, new in changes:
        assert old in code
        code = code.replace(old, new)
    return code.splitlines()


def sass(kernels: dict[str, list[str]], architecture="sm_90", control="000fe2") -> str:
    """As cuobjdump writes it, padding included."""
    text = f"Fatbin elf code:\n================\n\n\tcode for {architecture}\n"
    for name, code in kernels.items():
        text += f"\t\tFunction : {name}\n\t.headerflags\t@\"EF_CUDA_SM90\"\n"
        for i, line in enumerate([*code, *["NOP"] * (-len(code) % 8)]):
            text += f"        /*{16 * i:04x}*/     {line} ;     /* 0x{i:016x} */\n"
            text += f"                              /* 0x{control}0000000800 */\n"
        text += "\t\t..........\n"
    return text


class Comparisons(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        cuobjdump = self.folder / "cuobjdump"
        cuobjdump.write_text('#!/bin/sh\nexec cat "$2"\n')
        cuobjdump.chmod(0o755)
        self.path = f"{self.folder}:{os.environ['PATH']}"

    def run_on(self, old: str, new: str, *arguments: str) -> subprocess.CompletedProcess:
        (self.folder / "old").write_text(old)
        (self.folder / "new").write_text(new)
        return self.run_tool(self.folder / "old", self.folder / "new", *arguments)

    def run_tool(self, *arguments: object) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-B", TOOL, *arguments], capture_output=True,
                              text=True, env={**os.environ, "PATH": self.path})

    def expect(self, done: subprocess.CompletedProcess, *said: str, **counts: int) -> None:
        self.assertEqual(done.returncode, 1 if counts.get("different") else 0, done.stderr)
        for kind in ("identical", "moved", "shuffled", "different"):
            self.assertIn(f"{kind}: {counts.get(kind, 0)}\n", done.stdout)
        for text in said:
            self.assertIn(text, done.stdout)

    def refuse(self, done: subprocess.CompletedProcess, why: str) -> None:
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn(why, done.stderr)

    def test_identical(self) -> None:
        self.expect(self.run_on(sass({A: CODE, B: CODE}), sass({B: CODE, A: CODE})), identical=2)

    def test_moved(self) -> None:
        moved = edited(("0x218", "0x230"))
        self.expect(self.run_on(sass({A: CODE, B: CODE[:2]}), sass({A: moved, B: CODE[:2]})),
                    "offsets of (float*): 0x218 -> 0x230\n", moved=1, identical=1)

    def test_what_is_no_parameter_does_not_move(self) -> None:
        self.expect(self.run_on(sass({A: CODE}), sass({A: edited(("0x28", "0x20"))})), different=1)

    def test_another_parameter(self) -> None:
        swapped = edited(("0x210", "there"), ("0x218", "0x210"), ("there", "0x218"))
        one_stays = self.run_on(sass({A: CODE, B: CODE, C: CODE}),
                                sass({A: CODE, B: swapped, C: swapped}))
        self.expect(one_stays, "different: a(float*), 6 -> 6",
                    "- 0010  ULDC.64 UR4, c[0x0][0x210]", moved=2, different=1)
        one_for_both = self.run_on(sass({A: CODE}), sass({A: edited(("0x218", "0x210"))}))
        self.expect(one_for_both, different=1)

    def test_shuffled(self) -> None:
        other_registers = edited(("R2", "R7"), ("P0", "P1"))
        other_order = [CODE[1], CODE[0], *CODE[2:]]
        done = self.run_on(sass({A: CODE, B: CODE}), sass({A: other_registers, B: other_order}))
        self.expect(done, "shuffled: a(float*), 6 -> 6", "- 0020  LDC R2,", "+ 0020  LDC R7,",
                    "shuffled: b(float*), 6 -> 6", "- 0000  LDC R1,", "+ 0000  ULDC.64",
                    shuffled=2)

    def test_other_scheduling(self) -> None:
        self.expect(self.run_on(sass({A: CODE}), sass({A: CODE}, control="000fe4")),
                    "[0007f1]", "[0007f2]", shuffled=1)

    def test_addresses_of_what_is_shuffled(self) -> None:
        call = ["MOV R4, 0x20", "CALL.REL.NOINC 0x30", "EXIT", "RET.REL.NODEC R4 0x0"]
        later = ["EXIT", "MOV R4, 0x30", "CALL.REL.NOINC 0x20", "RET.REL.NODEC R4 0x0"]
        self.expect(self.run_on(sass({A: call}), sass({A: later})), shuffled=1)

    def test_different(self) -> None:
        longer = [*CODE[:3], "@!P0 BRA 0x60", CODE[4], "FADD R4, R4, 2", CODE[5]]
        self.expect(self.run_on(sass({A: CODE}), sass({A: longer})),
                    "different: a(float*), 6 -> 7 instructions\n    - 0050  EXIT",
                    "+ 0050  FADD R4, R4, 2", different=1)
        for change in ((" 1", " 2"), ("!P0", "P0"), ("FADD", "FMUL"), ("0x50", "0x40")):
            with self.subTest(change):
                self.expect(self.run_on(sass({A: CODE}), sass({A: edited(change)})), different=1)

    def test_a_parameter_too_few(self) -> None:
        """In kernels that are shuffled, too, what is known to lie elsewhere is looked for there."""
        load = ["LDC R2, c[0x0][0x210]", "LDC R3, c[0x0][0x218]"]
        moved = ["LDC R2, c[0x0][0x218]", "LDC R3, c[0x0][0x210]"]
        old = sass({A: load, B: [*load, "EXIT"]})
        self.expect(self.run_on(old, sass({A: moved, B: ["EXIT", *moved]})), moved=1, shuffled=1)
        twice = ["EXIT", moved[0], moved[0]]
        self.expect(self.run_on(old, sass({A: moved, B: twice})), moved=1, different=1)

    def test_missing(self) -> None:
        done = self.run_on(sass({A: CODE, B: CODE}), sass({A: CODE, C: CODE[:2]}))
        self.expect(done, "only in OLD: b(float*)\n", "only in NEW: c(float*)\n",
                    identical=1, different=2)

    def test_renamed(self) -> None:
        moved = edited(("0x218", "0x230"))
        self.expect(self.run_on(sass({A: CODE}), sass({B: moved})),
                    "renamed: a(float*)\n     to: b(float*)\n", moved=1)

    def test_renamed_by_choice(self) -> None:
        """Kernels of the same code: what pairs them is their names alone."""
        a, b = "_ZN3old1aEPf", "_ZN3old1bEPf"  # old::a(float*), ...
        changed = edited((" 1", " 2"))
        old = sass({a: CODE, b: changed})
        new = sass({a.replace("old", "new"): changed, b.replace("old", "new"): CODE})
        renamed = self.run_on(old, new, "--rename=old::=new::", "new::")
        self.expect(renamed, "different: new::a(float*)", "different: new::b(float*)", different=2)
        self.assertNotIn("renamed:", renamed.stdout)
        self.expect(self.run_on(old, new), "renamed: old::a(float*)\n     to: new::b(float*)\n",
                    identical=2)
        self.refuse(self.run_on(old, new, "--rename=old::"), "'old::' is not A=B")

    def test_one_name_twice(self) -> None:
        old, new = sass({A: CODE}) + sass({A: CODE}), sass({A: CODE}) + sass({A: CODE[:2]})
        self.expect(self.run_on(old, new), "different: a(float*) #2, 6 -> 2",
                    identical=1, different=1)

    def test_choice(self) -> None:
        old, new = sass({A: CODE, B: CODE}), sass({A: CODE, B: CODE[:2]})
        self.expect(self.run_on(old, new, r"^a\("), identical=1)
        self.refuse(self.run_on(old, new, "absent"), "no kernel's name matches absent")
        self.refuse(self.run_on(old, new, "("), "unterminated")
        two = sass({A: CODE}) + sass({A: CODE[:2]}, "sm_100a")
        self.refuse(self.run_on(two, two), "has sm_90, sm_100a; choose one by --arch")
        self.refuse(self.run_on(two, two, "--arch", "sm_80"), "has no sm_80, but sm_90, sm_100a")
        self.expect(self.run_on(two, old, "--arch", "sm_90", r"a\("), identical=1)

    def test_bad_input(self) -> None:
        self.refuse(self.run_tool("absent", "absent"), "absent: no such file")
        self.refuse(self.run_on("", sass({A: CODE})), "old: cuobjdump finds no kernels")
        unknown = sass({A: CODE}).replace("EXIT ;", "EXIT")
        self.refuse(self.run_on(unknown, unknown), "cannot read the line before: /*0060*/")
        self.path = ""
        self.refuse(self.run_on("", ""), "no cuobjdump on the PATH")


if __name__ == "__main__":
    unittest.main()
