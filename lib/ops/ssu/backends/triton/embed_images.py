"""Writes what the library embeds: all images as one file, and their table."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import subprocess
import tempfile

from files import write


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
