"""Compiles the images that a manifest names and writes what the library embeds of them.

    generate.py --manifest FILE --architectures 80,90 --fatbinary TOOL --output FOLDER

FOLDER gets fatbins.bin (all images, each compressed by the CUDA toolkit's fatbinary), images.cpp
(their table) and arguments.hpp (the kernel's arguments as a struct); FOLDER/cache keeps each image
as it was compiled, under a hash of all that it is made from (the kernel, its specialisation and
Triton's version), so only what changed is compiled again.
"""

import argparse
import pathlib

from arguments import kernel_arguments, write_arguments
from compile_images import compile_missing
from embed_images import write_images
from manifest import read_manifest


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
