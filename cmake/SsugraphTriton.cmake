# The triton backend: its compiler in a virtual environment of the build's own, its images, and what
# the library embeds of them. Python is needed by the build alone.

set(SSUGRAPH_TRITON AUTO CACHE STRING "Build the triton backend: AUTO (where pip brings Triton), ON or OFF")
set_property(CACHE SSUGRAPH_TRITON PROPERTY STRINGS AUTO ON OFF)
set(SSUGRAPH_TRITON_MANIFEST default CACHE STRING
  "Images of the triton backend: default, ci, or the path of a manifest (lib/ops/ssu/backends/triton/README.md)")
set(SSUGRAPH_TRITON_ARCHITECTURES "" CACHE STRING
  "Architectures of the triton backend, for example 80;90 (empty: those of CMAKE_CUDA_ARCHITECTURES)")

# Sets `result` to the Python of a virtual environment that has Triton, else `why_not` to the reason.
function(ssugraph_triton_python result why_not)
  set(venv ${PROJECT_BINARY_DIR}/triton-venv)
  set(requirements ${PROJECT_SOURCE_DIR}/lib/ops/ssu/backends/triton/requirements.txt)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${requirements})
  set(${result} ${venv}/bin/python PARENT_SCOPE)
  set(${why_not} "" PARENT_SCOPE)
  # A copy of the requirements marks an environment that was completed, and with which.
  if(EXISTS ${venv}/requirements.txt)
    execute_process(COMMAND ${CMAKE_COMMAND} -E compare_files ${requirements} ${venv}/requirements.txt
                    RESULT_VARIABLE differs ERROR_QUIET)
    if(differs EQUAL 0)
      return()
    endif()
  endif()

  find_package(Python3 3.10 COMPONENTS Interpreter QUIET)
  if(NOT Python3_FOUND)
    set(${why_not} "there is no Python 3.10 or later" PARENT_SCOPE)
    return()
  endif()
  message(STATUS "triton: installing the compiler into ${venv}")
  set(commands
    "${Python3_EXECUTABLE} -m venv ${venv}"
    "${venv}/bin/python -m pip install --quiet --disable-pip-version-check --requirement ${requirements}")
  foreach(command IN LISTS commands)
    separate_arguments(words UNIX_COMMAND "${command}")
    execute_process(COMMAND ${words} RESULT_VARIABLE failed OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(NOT failed EQUAL 0)
      string(STRIP "${output}" output)
      string(REGEX REPLACE ".*\n" "" output "${output}")
      set(${why_not} "'${command}' failed: ${output}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  file(COPY ${requirements} DESTINATION ${venv})
endfunction()

# The architectures to compile for, as generate.py takes them.
function(ssugraph_triton_architectures result)
  set(wanted ${SSUGRAPH_TRITON_ARCHITECTURES})
  if(NOT wanted)
    set(wanted ${CMAKE_CUDA_ARCHITECTURES})
  endif()
  set(architectures)
  foreach(architecture IN LISTS wanted)
    string(REGEX MATCH "^[0-9]+" number "${architecture}")
    if(number GREATER_EQUAL 80)
      list(APPEND architectures ${number})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES architectures)
  if(NOT architectures)
    set(architectures 80 90)
    message(STATUS "triton: no architecture from 80 on in '${wanted}', compiling for 80 and 90")
  endif()
  list(JOIN architectures "," architectures)
  set(${result} ${architectures} PARENT_SCOPE)
endfunction()

# Adds the backend to `target` and defines SSUGRAPH_HAS_TRITON=1 for it, if it is to be built; its
# property of that name says whether.
function(ssugraph_add_triton target)
  string(TOUPPER "${SSUGRAPH_TRITON}" wanted)
  if(NOT wanted STREQUAL AUTO AND NOT wanted)
    message(STATUS "triton: off, by SSUGRAPH_TRITON")
    return()
  endif()
  ssugraph_triton_python(python why_not)
  if(why_not)
    if(wanted STREQUAL AUTO)
      message(STATUS "triton: off, for ${why_not}")
      return()
    endif()
    message(FATAL_ERROR "SSUGRAPH_TRITON=${SSUGRAPH_TRITON}, but ${why_not}")
  endif()

  set(source ${PROJECT_SOURCE_DIR}/lib/ops/ssu/backends/triton)
  if(SSUGRAPH_TRITON_MANIFEST STREQUAL default)
    set(manifest ${source}/manifest.txt)
  elseif(SSUGRAPH_TRITON_MANIFEST STREQUAL ci)
    set(manifest ${source}/manifest-ci.txt)
  else()
    get_filename_component(manifest ${SSUGRAPH_TRITON_MANIFEST} ABSOLUTE BASE_DIR ${PROJECT_SOURCE_DIR})
  endif()
  ssugraph_triton_architectures(architectures)
  message(STATUS "triton: ${manifest} for ${architectures}")

  # Comes with nvcc.
  find_program(SSUGRAPH_FATBINARY fatbinary HINTS ${CUDAToolkit_BIN_DIR} REQUIRED)
  mark_as_advanced(SSUGRAPH_FATBINARY)

  # The include path is the folder above, so that the name in #include says where the file is from.
  set(generated ${PROJECT_BINARY_DIR}/triton/ssugraph_triton)
  file(GLOB compiler CONFIGURE_DEPENDS ${source}/*.py ${source}/kernel/*.py)
  add_custom_command(
    OUTPUT ${generated}/images.cpp ${generated}/arguments.hpp ${generated}/fatbins.bin
    COMMAND ${python} ${source}/generate.py --manifest ${manifest} --architectures ${architectures}
            --fatbinary ${SSUGRAPH_FATBINARY} --output ${generated}
    DEPENDS ${compiler} ${source}/requirements.txt ${manifest}
    COMMENT "Compiling the images of the triton backend"
    VERBATIM)
  # By itself, so that it waits for nothing that only its users need.
  add_custom_target(ssugraph_triton_images DEPENDS ${generated}/arguments.hpp)
  set_source_files_properties(${generated}/images.cpp PROPERTIES
    OBJECT_DEPENDS ${generated}/fatbins.bin)
  target_sources(${target} PRIVATE
    ${source}/lowering.cpp
    ${source}/selection.cpp
    ${source}/triton.cpp
    ${generated}/arguments.hpp
    ${generated}/images.cpp)
  target_include_directories(${target} PRIVATE ${PROJECT_BINARY_DIR}/triton)
  target_compile_definitions(${target} PRIVATE SSUGRAPH_HAS_TRITON=1)
  set_target_properties(${target} PROPERTIES SSUGRAPH_HAS_TRITON ON)
endfunction()
