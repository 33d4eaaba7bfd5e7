# shellcheck shell=bash
# Sourced by examples/run.sh, tests/run.sh and tests/style.sh: finds what a build needs, installs what
# is missing, configures and builds. A second run finds everything and installs nothing.
#
#   by apt                     g++, Ninja, CMake, GoogleTest, Google Benchmark, CLI11, fmt,
#                              nlohmann-json, DLPack, pkg-config; where CI=true, Clang with its
#                              sanitizers, and with preset ci doxygen
#   from PyPI, in build/tools  CMake where the one found is older than 3.25; nvcc, CUDA runtime, CCCL,
#                              NVTX, CUPTI and cuBLAS (cuda-wheels.txt) where no nvcc >= 13.0 is
#                              found; with preset ci matplotlib, to test the scripts that draw
#
# CMake fetches Triton's compiler and FlashInfer's headers itself, by pip (SsugraphTriton.cmake,
# SsugraphFlashInfer.cmake).
#
# SSUGRAPH_PRESET chooses the CMake preset (default: release; where CI=true, ci). With `host` and
# `sanitize` nothing of CUDA is needed.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
use_preset() {
  preset=$1
  build=$root/build/$preset
}

use_preset "${SSUGRAPH_PRESET:-$([[ ${CI:-} == true ]] && echo ci || echo release)}"
tools=$root/build/tools
export PATH=$tools/bin:$PATH

say() { echo "ssugraph: $*"; }
die() { echo "ssugraph: $*" >&2 && exit 1; }

at_least() { # version, minimum
  [[ -n $1 && $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$2" ]]
}

# Sets `target` to cuda or host: what `--target` among the arguments says, else what the machine
# offers. Prints which, and why.
choose_target() {
  local gpu='' driver=''
  export target=host
  if [[ " $* " =~ \ --target[\ =](cuda|host)\  ]]; then
    target=${BASH_REMATCH[1]}
    say "running the $target pipeline, as asked for"
    return
  fi
  [[ ${CUDA_VISIBLE_DEVICES-0} =~ ^(-1)?$ ]] || IFS=, read -r gpu driver < <(
    nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null) || true
  if without_cuda; then
    say "preset $preset, running the host pipeline"
  elif [[ -z $driver ]]; then
    say "no CUDA device, running the host pipeline"
  elif ! at_least "${driver# }" 580; then
    say "$gpu has driver$driver, CUDA 13 needs 580: running the host pipeline"
  else
    target=cuda
    say "$gpu, running the CUDA pipeline"
  fi
}

without_cuda() { [[ $preset == host || $preset == sanitize ]]; }

has_header() {
  printf '#if !__has_include(<%s>)\n#error\n#endif\n' "$1" | "${CXX:-g++}" -E -x c++ - &>/dev/null
}

has_compiler() { [[ -n ${CXX:-} ]] || at_least "$(g++ -dumpversion 2>/dev/null)" 11; }

# With its sanitizers.
has_clang() { clang++ -fsanitize=address,undefined -x c++ -o /dev/null - <<<'int main() {}' 2>/dev/null; }

has_cmake() { at_least "$(cmake --version 2>/dev/null | sed -n 's/^cmake version //p')" 3.25; }

# Exports CUDACXX, the first nvcc that is new enough.
has_nvcc() {
  local nvcc version
  without_cuda && return
  for nvcc in "${CUDACXX-}" nvcc "${CUDA_HOME-}/bin/nvcc" /usr/local/cuda/bin/nvcc \
    "$tools/cuda/bin/nvcc"; do
    nvcc=$(command -v "$nvcc") || continue
    version=$("$nvcc" --version | sed -n 's/.* release \([0-9.]*\),.*/\1/p')
    at_least "$version" 13.0 && export CUDACXX=$nvcc && return
  done
  return 1
}

apt_install() {
  local command="apt-get install -y --no-install-recommends $*" as_root=()
  command -v apt-get >/dev/null || die "please install what Debian calls $*"
  if ((EUID != 0)); then
    sudo -n true 2>/dev/null || die "packages are missing, run: sudo apt-get update && sudo $command"
    as_root=(sudo -n)
  fi
  say "$command"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "$@"
}

install_packages() {
  local packages=()
  has_compiler || packages+=(g++)
  command -v ninja >/dev/null || packages+=(ninja-build)
  command -v cmake >/dev/null || packages+=(cmake)
  command -v pkg-config >/dev/null || packages+=(pkg-config)
  has_header gtest/gtest.h || packages+=(libgtest-dev)
  has_header benchmark/benchmark.h || packages+=(libbenchmark-dev)
  has_header CLI/CLI.hpp || packages+=(libcli11-dev)
  has_header fmt/format.h || packages+=(libfmt-dev)
  has_header nlohmann/json.hpp || packages+=(nlohmann-json3-dev)
  has_header dlpack/dlpack.h || packages+=(libdlpack-dev)
  [[ $preset != ci ]] || command -v doxygen >/dev/null || packages+=(doxygen)
  [[ ${CI:-} != true ]] || has_clang || packages+=(clang libclang-rt-dev)
  # For install_wheels, Triton and FlashInfer; apt's CMake may turn out to be too old.
  without_cuda && has_cmake || python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)

  ((${#packages[@]} == 0)) || apt_install "${packages[@]}"
  has_compiler || die "g++ 11 or later is needed, or another C++20 compiler named in CXX"
}

install_wheels() {
  local wheels=() cuda
  has_cmake || wheels+=('cmake==3.31.10')
  has_nvcc || wheels+=(--requirement "$root/cmake/cuda-wheels.txt")
  [[ $preset != ci ]] || "$tools/bin/python3" -c 'import matplotlib' 2>/dev/null ||
    wheels+=('matplotlib==3.10.8')
  ((${#wheels[@]})) || return 0

  say "pip install ${wheels[*]} (into $tools)"
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check "${wheels[@]}"
  has_cmake || die "CMake 3.25 or later is needed"
  for cuda in "$tools"/lib/python3*/site-packages/nvidia/cu13; do
    [[ -d $cuda ]] || continue
    # The wheels lack names that a toolkit has and CMake looks for.
    ln -sfn lib "$cuda/lib64"
    ln -sfn libcudart.so.13 "$cuda/lib/libcudart.so"
    ln -sfn libcublasLt.so.13 "$cuda/lib/libcublasLt.so"
    ln -sfn "$cuda" "$tools/cuda"
  done
  has_nvcc || die "nvcc 13.0 or later is needed"
}

configure() {
  install_packages
  install_wheels
  (cd "$root" && cmake --preset "$preset")
}

build_targets() {
  configure
  cmake --build "$build" --target "$@"
}
