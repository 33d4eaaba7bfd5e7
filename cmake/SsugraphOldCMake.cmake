# What CMake 3.25.0 and 3.25.1 (Debian 12's) lack for CUDA 13. For the build and, installed, for
# projects that use the library. Goes ahead of find_package(CUDAToolkit).

if(CMAKE_VERSION VERSION_LESS 3.25.2 AND NOT TARGET CUDA::nvToolsExt)
  # The toolkit's find module sets a property of this library, which CUDA 13 no longer has.
  add_library(CUDA::nvToolsExt INTERFACE IMPORTED)
endif()
