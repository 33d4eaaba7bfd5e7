# Settings that every target of the project shares.

function(ssugraph_settings target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF
    POSITION_INDEPENDENT_CODE ON)
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion>
    # A new dtype, mode or role is a case of its own in every switch, or does not compile.
    $<$<COMPILE_LANGUAGE:CXX>:-Werror=switch-enum -Werror=switch>
    # CMake 3.25 does not know CUDA_STANDARD 20.
    $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20 -Xcompiler=-Wall,-Wextra,-Werror=switch-enum,-Werror=switch
      -Werror=cross-execution-space-call>)
  # GCC's false positives after inlining: overlaps inside std::string (12, its bug 105651), indices
  # inside std::sort and recursion over an array (14).
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 13)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wno-array-bounds>)
  elseif(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
  endif()
endfunction()

# And what the library itself is made of: what is not SSUGRAPH_EXPORT stays inside, and kernels, most of
# its weight, are compressed. nvcc by itself compresses PTX alone.
function(ssugraph_library_settings target)
  ssugraph_settings(${target})
  set_target_properties(${target} PROPERTIES
    CXX_VISIBILITY_PRESET hidden
    CUDA_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON)
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CUDA>:-Xfatbin=-compress-all --compress-mode=size>)
endfunction()
