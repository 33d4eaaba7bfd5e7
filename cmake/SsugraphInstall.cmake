# Installs the headers, the libraries and a package that find_package(ssugraph) finds.

include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ssugraph)
set(targets ssugraph ssugraph_lib)
if(TARGET ssugraph_graphs)
  list(APPEND targets ssugraph_graphs)
endif()

install(TARGETS ${targets} EXPORT ssugraph)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT ssugraph NAMESPACE ssugraph:: FILE ssugraphTargets.cmake DESTINATION ${package_dir})

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/ssugraphConfig.cmake.in
  ${PROJECT_BINARY_DIR}/ssugraphConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/ssugraphConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/ssugraphConfig.cmake
              ${PROJECT_BINARY_DIR}/ssugraphConfigVersion.cmake
              ${CMAKE_CURRENT_LIST_DIR}/SsugraphOldCMake.cmake
  DESTINATION ${package_dir})
