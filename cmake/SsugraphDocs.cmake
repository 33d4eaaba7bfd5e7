# The documentation: target `docs` makes the site (option SSUGRAPH_DOCS), tests `docs.*` compile the
# code in the pages and follow their links.

find_package(Python3 3.10 QUIET COMPONENTS Interpreter)
set(docs_dir ${PROJECT_SOURCE_DIR}/cmake/docs)

if(SSUGRAPH_DOCS)
  find_package(Doxygen REQUIRED)
  find_package(Python3 3.10 REQUIRED COMPONENTS Interpreter)
  file(GLOB_RECURSE pages CONFIGURE_DEPENDS
    ${PROJECT_SOURCE_DIR}/cmake/*.md ${PROJECT_SOURCE_DIR}/examples/*.md
    ${PROJECT_SOURCE_DIR}/graphs/*.md ${PROJECT_SOURCE_DIR}/include/*.md
    ${PROJECT_SOURCE_DIR}/lib/*.md ${PROJECT_SOURCE_DIR}/profiling/*.md
    ${PROJECT_SOURCE_DIR}/tests/*.md)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/ssugraph/*)
  list(APPEND pages ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md)

  set(SSUGRAPH_DOCS_DIR ${PROJECT_BINARY_DIR}/docs)
  list(JOIN pages " " SSUGRAPH_DOCS_PAGES)
  configure_file(${docs_dir}/Doxyfile.in ${SSUGRAPH_DOCS_DIR}/Doxyfile @ONLY)
  add_custom_command(OUTPUT ${SSUGRAPH_DOCS_DIR}/made
    COMMAND ${DOXYGEN_EXECUTABLE} Doxyfile
    COMMAND ${CMAKE_COMMAND} -E touch made
    DEPENDS ${pages} ${headers} ${SSUGRAPH_DOCS_DIR}/Doxyfile
            ${docs_dir}/markdown.py ${docs_dir}/page_filter.py
    WORKING_DIRECTORY ${SSUGRAPH_DOCS_DIR}
    COMMENT "Making the site of the documentation: docs/html/index.html")
  add_custom_target(docs ALL DEPENDS ${SSUGRAPH_DOCS_DIR}/made)
endif()

if(SSUGRAPH_TESTS AND Python3_FOUND)
  set(dlpack)
  if(SSUGRAPH_C_API)
    set(dlpack ${DLPack_INCLUDE_DIR})
  endif()
  foreach(what IN ITEMS links commands code)
    add_test(NAME docs.${what} COMMAND Python3::Interpreter -B ${docs_dir}/check_pages.py ${what}
      --compiler ${CMAKE_CXX_COMPILER}
      --cuda "${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES}" "--dlpack=${dlpack}")
    set_tests_properties(docs.${what} PROPERTIES TIMEOUT 300)
  endforeach()
  add_test(NAME docs.checks
    COMMAND Python3::Interpreter -B ${docs_dir}/check_pages_test.py ${CMAKE_CXX_COMPILER} ${dlpack})
elseif(SSUGRAPH_TESTS)
  message(STATUS "ssugraph: without the tests docs.*: no python3")
endif()
