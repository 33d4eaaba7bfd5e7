# What users link, of the objects of lib and graphs: an archive and a shared library, both named
# ssugraph. Tests and profilers that look inside link the archives of lib and graphs themselves.

add_library(ssugraph STATIC)
add_library(ssugraph::ssugraph ALIAS ssugraph)
add_library(ssugraph_shared SHARED)
add_library(ssugraph::shared ALIAS ssugraph_shared)

foreach(target IN ITEMS ssugraph ssugraph_shared)
  foreach(part IN ITEMS ssugraph_lib ssugraph_flashinfer ssugraph_graphs)
    if(TARGET ${part})
      target_sources(${target} PRIVATE $<TARGET_OBJECTS:${part}>)
    endif()
  endforeach()
  set_target_properties(${target} PROPERTIES LINKER_LANGUAGE CXX)
  target_include_directories(${target} INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<$<BOOL:${SSUGRAPH_C_API}>:$<BUILD_INTERFACE:${DLPack_INCLUDE_DIR}>>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(${target} INTERFACE cxx_std_20)
  target_link_libraries(${target} PRIVATE ${CMAKE_DL_LIBS})
endforeach()

# A program with the archive in it has one CUDA runtime, its own code's too; the shared library has
# one inside, which nobody sees.
if(SSUGRAPH_CUDA)
  target_link_libraries(ssugraph PUBLIC CUDA::cudart_static)
  target_link_libraries(ssugraph_shared PRIVATE CUDA::cudart_static)
endif()

# Below 1.0 a minor version may break binaries.
set(exports ${CMAKE_CURRENT_LIST_DIR}/exports.map)
set_target_properties(ssugraph_shared PROPERTIES
  OUTPUT_NAME ssugraph
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  EXPORT_NAME shared
  LINK_DEPENDS ${exports})
target_link_options(ssugraph_shared PRIVATE LINKER:--version-script=${exports})
