"""Compiles images with Triton, those that the cache lacks."""

import concurrent.futures
import hashlib
import importlib.metadata
import json
import multiprocessing
import os
import pathlib
import re
import sys
import tempfile
import time

from arguments import argument_type, kernel_arguments
from files import write

kernel_folder = pathlib.Path(__file__).resolve().parent / "kernel"
kernel_sources = [path.read_text() for path in sorted(kernel_folder.glob("*.py"))]


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
    from kernel.ssu import ssu

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
    made_from = [*kernel_sources, importlib.metadata.version("triton"), json.dumps(options)]
    return hashlib.sha256("\0".join(made_from).encode()).hexdigest()[:32]
