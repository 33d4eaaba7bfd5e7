"""The run-time arguments of the kernel: their names, their types for Triton, the struct for C++."""

import ast
import functools
import pathlib

from files import write

kernel_source = pathlib.Path(__file__).resolve().parent / "kernel/ssu.py"

pointer_types = {"float32": "*fp32", "float16": "*fp16", "bfloat16": "*bf16", "any": "*i16"}
io_pointers = ["x", "z", "out", "B", "C"]
untyped_pointers = [
    "dt", "A", "D", "dt_bias", "state_batch_indices", "dst_state_batch_indices",
    "num_accepted_tokens", "cu_seqlens"
]
float_scalars = ["dt_min", "dt_max"]
wide_scalars = ["drawn_seed", "slots", "rows", "max_seqlen", "null_block_id"]


@functools.cache
def kernel_arguments():
    """Names of the kernel's run-time parameters, in order; read without importing triton."""
    kernel = next(node for node in ast.parse(kernel_source.read_text()).body
                  if isinstance(node, ast.FunctionDef) and node.name == "ssu")
    return [argument.arg for argument in kernel.args.args if argument.annotation is None]


def argument_type(name, of):
    if name == "state":
        return pointer_types[of.state_dtype]
    if name in io_pointers:
        return pointer_types[of.io]
    if name in untyped_pointers:
        return "*i16"
    if name == "rand_seed":
        return "*i64"
    if name in float_scalars:
        return "fp32"
    return "i64" if "_stride_" in name or name in wide_scalars else "i32"


def write_arguments(names, output):
    """The arguments by name, so that their order is written down once: in the kernel."""
    wide = [name for name in names if "_stride_" in name or name in wide_scalars]
    pointers = ["state", "rand_seed", *io_pointers, *untyped_pointers]
    of = lambda name: ("const void*" if name in pointers else
                       "float" if name in float_scalars else
                       "std::int64_t" if name in wide else "std::int32_t")
    members = "".join(f"  {of(name)} {name};\n" for name in names)
    values = "".join(f",\n          of.{name}" for name in names)
    write(output / "arguments.hpp", f"""// Written by generate.py from kernel/ssu.py.
#pragma once

#include "lib/core/kernel_launch.hpp"

#include <cstdint>

namespace ssugraph::detail::triton {{

struct triton_arguments {{
{members}}};

/** A launch with these arguments; the last two are scratch memory, which no image wants. */
inline kernel_launch triton_launch(const void* kernel, dim3 grid, dim3 block,
                                   const triton_arguments& of) {{
  constexpr const void* none = nullptr;
  return {{kernel, grid, block{values},
          none, none}};
}}

}}  // namespace ssugraph::detail::triton
""".encode())
