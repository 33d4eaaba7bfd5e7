# What CMake 3.25.0 and 3.25.1 (Debian 12's) lack for CUDA 13. For the build and, installed, for
# projects that use the library. Goes ahead of find_package(CUDAToolkit).

if(CMAKE_VERSION VERSION_LESS 3.25.2)
  # That nvcc has C++20.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  # The toolkit's find module sets a property of this library, which CUDA 13 no longer has.
  if(NOT TARGET CUDA::nvToolsExt)
    add_library(CUDA::nvToolsExt INTERFACE IMPORTED)
  endif()
endif()
