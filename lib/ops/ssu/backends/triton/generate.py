"""Compiles the images that a manifest names and writes what the library embeds of them.

    generate.py --manifest FILE --architectures 80,90 --fatbinary TOOL --output FOLDER

FOLDER gets fatbins.bin (all images, each compressed by the CUDA toolkit's fatbinary), images.cpp
(their table) and arguments.hpp (the kernel's arguments as a struct); FOLDER/cache keeps each image
as it was compiled, under a hash of all that it is made from (the kernel, its specialisation and
Triton's version), so only what changed is compiled again.
"""

import argparse
import ast
import concurrent.futures
import functools
import hashlib
import importlib.metadata
import itertools
import json
import multiprocessing
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

here = pathlib.Path(__file__).resolve().parent
kernel_source = (here / "ssu_kernel.py").read_text()

dtypes = ["float32", "float16", "bfloat16"]  # by their numbers in ssu_kernel.py
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

pointer_types = {"float32": "*fp32", "float16": "*fp16", "bfloat16": "*bf16", "any": "*i16"}
io_pointers = ["x", "z", "out", "B", "C"]
untyped_pointers = [
    "dt", "A", "D", "dt_bias", "state_batch_indices", "dst_state_batch_indices",
    "num_accepted_tokens", "cu_seqlens"
]
wide_scalars = ["drawn_seed", "slots", "rows", "max_seqlen", "null_block_id"]


def write(path, content):
    """All or nothing, should the build be stopped."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)


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


# --- The manifest --------------------------------------------------------------------------------


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


# --- One image -----------------------------------------------------------------------------------


@functools.cache
def kernel_arguments():
    """Names of the kernel's run-time parameters, in order; read without importing triton."""
    kernel = next(node for node in ast.parse(kernel_source).body
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
    return "i64" if "_stride_" in name or name in wide_scalars else "i32"


def check(wanted, ptx, metadata, arguments):
    """What the library relies on."""
    if metadata.global_scratch_size or metadata.profile_scratch_size:
        raise RuntimeError("it wants scratch memory, and is given none")
    if re.search(r"ld\.global[.\w]*\.nc", ptx):
        raise RuntimeError("it reads through the read-only cache")
    if wanted.architecture >= 90 and "griddepcontrol.wait" not in ptx:
        raise RuntimeError("it does not wait for the launch in front")
    # The arguments, then global and profile scratch.
    entry = re.search(r"\.entry \w+\((.*?)\)", ptx, re.DOTALL).group(1)
    if len(entry.split(",")) != arguments + 2:
        raise RuntimeError(f"it has other parameters than expected:\n{entry}")


def compile_image(wanted):
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.experimental.gluon._runtime import GluonASTSource
    sys.path.insert(0, str(here))
    from ssu_kernel import ssu

    constexprs = wanted.constexprs()
    signature = {
        name: "constexpr" if name in constexprs else argument_type(name, wanted)
        for name in ssu.arg_names
    }
    attributes = {(ssu.arg_names.index(name), ): [["tt.divisibility", 16]]
                  for name in wanted.aligned_pointers()}
    source = GluonASTSource(ssu, signature, constexprs, attributes)
    compiled = triton.compile(source, target=GPUTarget("cuda", wanted.architecture, 32),
                              options={"num_warps": wanted.warps})
    check(wanted, compiled.asm["ptx"], compiled.metadata, len(signature) - len(constexprs))
    return compiled.asm["cubin"], compiled.metadata.shared


def compile_into_cache(wanted, path):
    try:
        cubin, shared_bytes = compile_image(wanted)
    except Exception as error:
        return f"{wanted}: {error}"
    write(path.with_suffix(".json"), json.dumps({"shared_bytes": shared_bytes}).encode())
    write(path, cubin)
    return None


def compile_missing(images, cache):
    paths = {wanted: cache / f"{key_of(wanted)}.cubin" for wanted in images}
    missing = [wanted for wanted in images if not paths[wanted].exists()]
    if not missing:
        return paths
    print(f"triton: compiling {len(missing)} of {len(images)} images", flush=True)
    began = time.monotonic()
    # Triton's own cache is no use here: it knows nothing of this file.
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ProcessPoolExecutor(
            os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        os.environ.update(TRITON_CACHE_DIR=scratch, TRITON_DISABLE_LINE_INFO="1")
        errors = list(filter(None, pool.map(compile_into_cache, missing,
                                            [paths[wanted] for wanted in missing])))
    if errors:
        sys.exit("\n".join(f"triton: cannot compile {error}" for error in errors[:3]) +
                 f"\ntriton: {len(errors)} of {len(missing)} images failed")
    print(f"triton: compiled {len(missing)} images in {time.monotonic() - began:.0f} s", flush=True)
    return paths


def key_of(wanted):
    options = [wanted.architecture, wanted.constexprs(), wanted.aligned_pointers(),
               [argument_type(name, wanted) for name in kernel_arguments()]]
    made_from = [kernel_source, importlib.metadata.version("triton"), json.dumps(options)]
    return hashlib.sha256("\0".join(made_from).encode()).hexdigest()[:32]


# --- What the library embeds ---------------------------------------------------------------------


def table_row(wanted, offset, size, shared_bytes):
    io = "std::nullopt" if wanted.io == "any" else f"dtype::{wanted.io}"
    flag = lambda value: "true" if value else "false"
    return (f"    {{.architecture = {wanted.architecture}, .state = dtype::{wanted.state_dtype}, "
            f".rounding = {flag(wanted.state != wanted.state_dtype)}, .io = {io}, "
            f".dstate = {wanted.dstate}, .tied = {flag(wanted.step == 'tied')}, "
            f".many = {flag(wanted.tokens == 'many')}, "
            f".vector = {flag(wanted.access == 'vector')}, .rows = {wanted.rows}, "
            f".warps = {wanted.warps}, .shared_bytes = {shared_bytes}, .offset = {offset}, "
            f".size = {size}}},\n")


def compressed(wanted, cubin, fatbinary):
    """The image as a fat binary of one. From 90 on Triton compiles for sm_90a and so on."""
    suffix = "a" if wanted.architecture >= 90 else ""
    with tempfile.TemporaryDirectory() as scratch:
        fatbin = pathlib.Path(scratch, "image.fatbin")
        subprocess.run([fatbinary, "--64", "--compress-all", "--compress-mode=size",
                        f"--image3=kind=elf,sm={wanted.architecture}{suffix},file={cubin.name}",
                        f"--create={fatbin}"], cwd=cubin.parent, check=True)
        return fatbin.read_bytes()


def write_images(paths, fatbinary, output):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        fatbins = list(pool.map(lambda item: compressed(*item, fatbinary), paths.items()))
    blob = bytearray()
    rows = []
    for (wanted, path), fatbin in zip(paths.items(), fatbins):
        shared_bytes = json.loads(path.with_suffix(".json").read_text())["shared_bytes"]
        rows.append(table_row(wanted, len(blob), len(fatbin), shared_bytes))
        blob += fatbin + bytes(-len(fatbin) % 64)
    write(output / "fatbins.bin", bytes(blob))
    # The hash makes this file change with the blob.
    digest = hashlib.sha256(blob).hexdigest()
    write(output / "images.cpp", f"""// Written by generate.py. Fat binaries: {digest}
#include "lib/ops/ssu/backends/triton/image.hpp"

#include <array>

asm(R"(
  .section .rodata
  .balign 64
ssugraph_triton_fatbins:
  .incbin "{output / 'fatbins.bin'}"
  .size ssugraph_triton_fatbins, . - ssugraph_triton_fatbins
  .hidden ssugraph_triton_fatbins
  .globl ssugraph_triton_fatbins
  .previous
)");

extern "C" const std::byte ssugraph_triton_fatbins[];

namespace ssugraph::detail::triton {{
namespace {{

constexpr std::array<triton_image, {len(rows)}> images{{{{
{''.join(rows)}}}}};

}}  // namespace

std::span<const triton_image> triton_images() {{
  return images;
}}

std::span<const std::byte> fatbin_of(const triton_image& image) {{
  return {{ssugraph_triton_fatbins + image.offset, image.size}};
}}

}}  // namespace ssugraph::detail::triton
""".encode())


def write_arguments(names, output):
    """The arguments by name, so that their order is written down once: in the kernel."""
    wide = [name for name in names if "_stride_" in name or name in wide_scalars]
    pointers = ["state", "rand_seed", *io_pointers, *untyped_pointers]
    of = lambda name: ("const void*" if name in pointers else
                       "std::int64_t" if name in wide else "std::int32_t")
    members = "".join(f"  {of(name)} {name};\n" for name in names)
    values = "".join(f",\n          of.{name}" for name in names)
    write(output / "arguments.hpp", f"""// Written by generate.py from ssu_kernel.py.
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--manifest", type=pathlib.Path, required=True)
    parser.add_argument("--architectures", required=True, help="for example 80,90")
    parser.add_argument("--fatbinary", required=True, help="path of the CUDA toolkit's tool")
    parser.add_argument("--output", type=pathlib.Path, required=True)
    options = parser.parse_args()
    output = options.output.resolve()
    cache = output / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    architectures = [int(text) for text in options.architectures.split(",")]
    paths = compile_missing(read_manifest(options.manifest, architectures), cache)
    write_images(paths, options.fatbinary, output)
    write_arguments(kernel_arguments(), output)


if __name__ == "__main__":
    main()
