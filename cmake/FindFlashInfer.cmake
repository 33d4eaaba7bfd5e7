# Finds the headers of FlashInfer's Mamba kernels: below FlashInfer_ROOT, which may be an include
# folder or where the Python package lies, else in the usual places.
#
#   FlashInfer_FOUND, FlashInfer_VERSION (where the package says it), FlashInfer_INCLUDE_DIR
#   FlashInfer::FlashInfer  headers only, as system headers

find_path(FlashInfer_INCLUDE_DIR flashinfer/mamba/selective_state_update.cuh
  PATH_SUFFIXES include data/include flashinfer/data/include)

if(FlashInfer_INCLUDE_DIR)
  file(GLOB FlashInfer_metadata
    "${FlashInfer_INCLUDE_DIR}/../../../flashinfer_python-*.dist-info/METADATA")
  if(FlashInfer_metadata)
    list(GET FlashInfer_metadata 0 FlashInfer_metadata)
    file(STRINGS "${FlashInfer_metadata}" FlashInfer_VERSION REGEX "^Version: " LIMIT_COUNT 1)
    string(REPLACE "Version: " "" FlashInfer_VERSION "${FlashInfer_VERSION}")
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(FlashInfer
  REQUIRED_VARS FlashInfer_INCLUDE_DIR VERSION_VAR FlashInfer_VERSION)
mark_as_advanced(FlashInfer_INCLUDE_DIR)

if(FlashInfer_FOUND AND NOT TARGET FlashInfer::FlashInfer)
  add_library(FlashInfer::FlashInfer INTERFACE IMPORTED)
  target_include_directories(FlashInfer::FlashInfer SYSTEM INTERFACE "${FlashInfer_INCLUDE_DIR}")
endif()
