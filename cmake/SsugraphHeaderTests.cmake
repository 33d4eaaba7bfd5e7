# Tests of the public headers by compilers alone, GNU's and Clang where it is there, too: every header
# stands by itself and takes more warnings than its user may have asked for, and what tests/misuse does
# wrong is refused for the reason that it names.

set(header_test_${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER})
if(NOT header_test_Clang)
  find_program(SSUGRAPH_CLANGXX clang++ DOC "A second compiler that reads the public headers")
  set(header_test_Clang ${SSUGRAPH_CLANGXX})
endif()

set(header_test_dlpack)
if(SSUGRAPH_C_API)
  set(header_test_dlpack -I ${DLPack_INCLUDE_DIR})
endif()

# The compiler `id` reads `source` in `language`, with the options that follow. Messages in plain ASCII.
function(ssugraph_syntax_test name id language source)
  set(c++_standard c++20)
  set(c_standard c11)
  add_test(NAME ${name} COMMAND ${header_test_${id}} -x ${language} -std=${${language}_standard}
    -fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Werror
    -I ${PROJECT_SOURCE_DIR}/include ${header_test_dlpack} ${ARGN} ${source})
  set_tests_properties(${name} PROPERTIES ENVIRONMENT LC_ALL=C LABELS headers)
endfunction()

# A header in front of all others, and again; one of C as C, too, where a source must declare something.
function(ssugraph_header_test id header)
  set(source ${PROJECT_BINARY_DIR}/headers/${header}.cpp)
  file(CONFIGURE OUTPUT ${source} @ONLY
    CONTENT "#include <@header@>\n#include <@header@>\ntypedef int something;\n")
  ssugraph_syntax_test(${header}.${id} ${id} c++ ${source})
  if(header MATCHES "\\.h$")
    ssugraph_syntax_test(${header}.${id}.c11 ${id} c ${source})
  endif()
endfunction()

# `source` shows what is right and, with SSUGRAPH_MISUSE defined, what is wrong. In its line
# "// GNU: REGEX" or "// Clang: REGEX" stands what the text of that compiler's error must say.
function(ssugraph_misuse_test id source)
  cmake_path(GET source STEM name)
  file(STRINGS ${source} reason REGEX "^// ${id}: ")
  if(NOT reason)
    message(FATAL_ERROR "${source}: expected a line '// ${id}: REGEX', found none")
  endif()
  string(REPLACE "// ${id}: " "" reason "${reason}")
  ssugraph_syntax_test(misuse.${name}.${id} ${id} c++ ${source} -DSSUGRAPH_MISUSE)
  set_tests_properties(misuse.${name}.${id} PROPERTIES
    PASS_REGULAR_EXPRESSION "error: [^\n]*${reason}")
  ssugraph_syntax_test(misuse.${name}.${id}.control ${id} c++ ${source})
endfunction()

file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/include
  ${PROJECT_SOURCE_DIR}/include/ssugraph/*.h ${PROJECT_SOURCE_DIR}/include/ssugraph/*.hpp)
if(NOT SSUGRAPH_C_API)
  list(FILTER headers EXCLUDE REGEX "\\.h$")
endif()
file(GLOB misuses CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/misuse/*.cpp)
foreach(id IN ITEMS GNU Clang)
  if(header_test_${id})
    foreach(header IN LISTS headers)
      ssugraph_header_test(${id} ${header})
    endforeach()
    foreach(source IN LISTS misuses)
      ssugraph_misuse_test(${id} ${source})
    endforeach()
  endif()
endforeach()
