# Installs the headers, the libraries and what finds them: a CMake package, which the build tree has,
# too, with a component for each library, and a pkg-config file. CPack makes an archive of it all.

include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ssugraph)

set(headers_left_out)
if(NOT SSUGRAPH_C_API)
  set(headers_left_out REGEX "/ssugraph/(c|ssugraph\\.h)$" EXCLUDE)
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  ${headers_left_out})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

install(TARGETS ssugraph EXPORT ssugraph-static)
install(TARGETS ssugraph_shared EXPORT ssugraph-shared)
foreach(component IN ITEMS static shared)
  set(targets_file ssugraph-${component}-targets.cmake)
  install(EXPORT ssugraph-${component}
    NAMESPACE ssugraph:: FILE ${targets_file} DESTINATION ${package_dir})
  export(EXPORT ssugraph-${component}
    NAMESPACE ssugraph:: FILE ${PROJECT_BINARY_DIR}/${targets_file})
endforeach()

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/ssugraphConfig.cmake.in
  ${PROJECT_BINARY_DIR}/ssugraphConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/ssugraphConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
configure_file(${CMAKE_CURRENT_LIST_DIR}/SsugraphOldCMake.cmake
  ${PROJECT_BINARY_DIR}/SsugraphOldCMake.cmake COPYONLY)
install(FILES ${PROJECT_BINARY_DIR}/ssugraphConfig.cmake
              ${PROJECT_BINARY_DIR}/ssugraphConfigVersion.cmake
              ${PROJECT_BINARY_DIR}/SsugraphOldCMake.cmake
  DESTINATION ${package_dir})

# What the archive needs beside itself. Where the CUDA toolkit lies, its user says.
set(private_libs -ldl -lpthread -lstdc++ -lm)
if(SSUGRAPH_CUDA)
  list(PREPEND private_libs -lcudart_static -lrt)
endif()
list(JOIN private_libs " " private_libs)
file(RELATIVE_PATH prefix_from_pc
  ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" prefix_from_pc ${prefix_from_pc})
configure_file(${CMAKE_CURRENT_LIST_DIR}/ssugraph.pc.in ${PROJECT_BINARY_DIR}/ssugraph.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/ssugraph.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(PROJECT_IS_TOP_LEVEL)
  set(CPACK_GENERATOR TGZ)
  set(CPACK_PACKAGE_FILE_NAME
    ${PROJECT_NAME}-${PROJECT_VERSION}-${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR})
  set(CPACK_VERBATIM_VARIABLES ON)
  include(CPack)
endif()
