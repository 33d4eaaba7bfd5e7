# Enables CUDA for the project.

# Ahead of enable_language, which would choose for us. A list that the user gives wins.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES AND "$ENV{CUDAARCHS}" STREQUAL "")
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90)
endif()
enable_language(CUDA)
include(SsugraphOldCMake)
find_package(CUDAToolkit 13.0 QUIET REQUIRED)
