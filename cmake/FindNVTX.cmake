# Finds the headers of NVTX 3, which come with the CUDA toolkit and by themselves, as a wheel: below
# NVTX_ROOT, beside nvcc, else in the usual places. A host build finds them, too.
#
#   NVTX_FOUND, NVTX_INCLUDE_DIR

find_path(NVTX_INCLUDE_DIR nvtx3/nvtx3.hpp
  HINTS ${CUDAToolkit_INCLUDE_DIRS} ENV CUDA_HOME ENV CUDA_PATH
  PATHS /usr/local/cuda ${PROJECT_SOURCE_DIR}/build/tools/cuda
  PATH_SUFFIXES include)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(NVTX REQUIRED_VARS NVTX_INCLUDE_DIR)
mark_as_advanced(NVTX_INCLUDE_DIR)
