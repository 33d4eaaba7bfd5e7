# Builds tests/consumer, a project of its own, as users would: against an install tree and with
# add_subdirectory.

set(consumer_dir ${PROJECT_BINARY_DIR}/consumer)

function(ssugraph_consumer_test name)
  add_test(NAME consumer.${name} COMMAND ${CMAKE_CTEST_COMMAND}
    --build-and-test ${PROJECT_SOURCE_DIR}/tests/consumer ${consumer_dir}/${name}
    --build-generator ${CMAKE_GENERATOR} --build-noclean
    --build-options -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER} -DCMAKE_BUILD_TYPE=$<CONFIG> ${ARGN}
    --test-command consumer)
endfunction()

add_test(NAME consumer.install
  COMMAND ${CMAKE_COMMAND} --install ${PROJECT_BINARY_DIR} --config $<CONFIG>
          --prefix ${consumer_dir}/prefix)
set_tests_properties(consumer.install PROPERTIES FIXTURES_SETUP install_tree)

ssugraph_consumer_test(find_package
  -Dssugraph_ROOT=${consumer_dir}/prefix
  $<$<BOOL:${SSUGRAPH_CUDA}>:-DCUDAToolkit_ROOT=${CUDAToolkit_BIN_DIR}/..>)
set_tests_properties(consumer.find_package PROPERTIES FIXTURES_REQUIRED install_tree)

ssugraph_consumer_test(add_subdirectory
  -DSSUGRAPH_SOURCE_DIR=${PROJECT_SOURCE_DIR} -DSSUGRAPH_CUDA=OFF)
