"""Programmatic dependent launch, as in lib/device/programmatic.cuh."""

from triton.experimental import gluon
from triton.experimental.gluon import language as gl


@gluon.jit
def wait_for_predecessor(PROGRAMMATIC: gl.constexpr):
    if PROGRAMMATIC:
        gl.inline_asm_elementwise(
            "griddepcontrol.wait; // $0", "=r", [], dtype=gl.int32, is_pure=False, pack=1)


@gluon.jit
def trigger_successor(PROGRAMMATIC: gl.constexpr):
    if PROGRAMMATIC:
        gl.inline_asm_elementwise(
            "griddepcontrol.launch_dependents; // $0", "=r", [], dtype=gl.int32, is_pure=False, pack=1)
