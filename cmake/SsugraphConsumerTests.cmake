# What a user gets: the symbols and the weight of the shared library, and tests/consumer, projects of
# their own, built against the build tree, an install tree, the unpacked archive of CPack and the
# sources, by CMake and by pkg-config. Those in C are there with the C API.

set(consumer_dir ${PROJECT_BINARY_DIR}/consumer)
set(consumer_source ${PROJECT_SOURCE_DIR}/tests/consumer)
set(packaging ${PROJECT_SOURCE_DIR}/tests/packaging)
set(this_version ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(toolkit $<$<BOOL:${SSUGRAPH_CUDA}>:-DCUDAToolkit_ROOT=${CUDAToolkit_BIN_DIR}/..>)

add_test(NAME packaging.symbols
  COMMAND ${packaging}/symbols.sh $<TARGET_FILE:ssugraph> $<TARGET_FILE:ssugraph_shared>
          libssugraph.so.${this_version})

# In MB, for any one architecture and for the default ones, with our own manifests and lists of shapes.
if(SSUGRAPH_CUDA)
  set(heaviest)
  if(CMAKE_CUDA_ARCHITECTURES MATCHES "^[0-9]+[a-z]?(-real|-virtual)?$")
    set(heaviest 16)
  elseif(CMAKE_CUDA_ARCHITECTURES STREQUAL "80-real;90")
    set(heaviest 40)
  endif()
  if(heaviest)
    add_test(NAME packaging.weight
      COMMAND ${packaging}/weight.sh $<TARGET_FILE:ssugraph_shared> ${heaviest})
  endif()
endif()

set(languages c++)
if(SSUGRAPH_C_API)
  list(APPEND languages c)
endif()
add_test(NAME packaging.install
  COMMAND ${CMAKE_COMMAND} --install ${PROJECT_BINARY_DIR} --config $<CONFIG>
          --prefix ${consumer_dir}/prefix)
set_tests_properties(packaging.install PROPERTIES FIXTURES_SETUP install)
add_test(NAME packaging.archive
  COMMAND ${packaging}/package.sh ${PROJECT_BINARY_DIR} ${consumer_dir}/unpacked ${languages})
set_tests_properties(packaging.archive PROPERTIES FIXTURES_SETUP archive)

add_test(NAME packaging.pkg_config
  COMMAND ${packaging}/pkg_config.sh ${consumer_dir}/prefix ${languages})
set_tests_properties(packaging.pkg_config PROPERTIES
  FIXTURES_REQUIRED install
  ENVIRONMENT "CXX=${CMAKE_CXX_COMPILER};LIBRARY_PATH=${CUDAToolkit_LIBRARY_DIR}")

# Builds the project `source` and runs its tests.
function(ssugraph_consumer_test name source)
  add_test(NAME consumer.${name} COMMAND ${CMAKE_CTEST_COMMAND}
    --build-and-test ${source} ${consumer_dir}/${name}
    --build-generator ${CMAKE_GENERATOR} --build-noclean
    --build-options -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER} -DCMAKE_BUILD_TYPE=$<CONFIG>
                    -Dwanted_version=${this_version} ${toolkit} ${ARGN}
    --test-command ${CMAKE_CTEST_COMMAND} --no-tests=error --output-on-failure)
endfunction()

# Compiles the library once more, without CUDA and the C API, which DLPack is for: the build without
# CUDA asks for that, no other.
if(NOT SSUGRAPH_CUDA)
  ssugraph_consumer_test(sources ${consumer_source} -DSSUGRAPH_SOURCE_DIR=${PROJECT_SOURCE_DIR}
    -DSSUGRAPH_CUDA=OFF -DSSUGRAPH_C_API=OFF -DCMAKE_DISABLE_FIND_PACKAGE_DLPack=ON)
endif()

set(build_tree ${PROJECT_BINARY_DIR})
set(install ${consumer_dir}/prefix)
set(archive ${consumer_dir}/unpacked)
foreach(tree IN ITEMS build_tree install archive)
  ssugraph_consumer_test(${tree} ${consumer_source} -Dssugraph_ROOT=${${tree}})
  set(tests consumer.${tree})
  if(SSUGRAPH_C_API)
    foreach(component IN ITEMS static shared)
      ssugraph_consumer_test(${tree}.c.${component} ${consumer_source}/c
        -Dssugraph_ROOT=${${tree}} -Dcomponent=${component})
      list(APPEND tests consumer.${tree}.c.${component})
    endforeach()
  endif()
  set_tests_properties(${tests} PROPERTIES FIXTURES_REQUIRED ${tree})
endforeach()

# No component named and no toolkit: the shared library serves alone.
if(SSUGRAPH_C_API)
  ssugraph_consumer_test(without_toolkit ${consumer_source}/c -Dssugraph_ROOT=${build_tree}
    -Dcomponent= -DCMAKE_DISABLE_FIND_PACKAGE_CUDAToolkit=ON)
endif()

# What find_package says where there is nothing to find.
function(ssugraph_refusal_test name words)
  add_test(NAME consumer.${name} COMMAND ${CMAKE_COMMAND} -G ${CMAKE_GENERATOR}
    -S ${consumer_source}/c -B ${consumer_dir}/${name} -Dssugraph_ROOT=${PROJECT_BINARY_DIR} ${ARGN})
  set_tests_properties(consumer.${name} PROPERTIES PASS_REGULAR_EXPRESSION "${words}")
endfunction()

math(EXPR next_minor "${PROJECT_VERSION_MINOR} + 1")
ssugraph_refusal_test(another_version "requested version \"${PROJECT_VERSION_MAJOR}.${next_minor}\""
  -Dwanted_version=${PROJECT_VERSION_MAJOR}.${next_minor} -Dcomponent=shared)
ssugraph_refusal_test(no_such_component "its components are static and shared, not 'python'"
  -Dcomponent=python)
