# Finds the header of DLPack 0.6 or later, one file without a library: below DLPack_ROOT, else in the
# usual places (Debian and Ubuntu: libdlpack-dev).
#
#   DLPack_FOUND, DLPack_INCLUDE_DIR

find_path(DLPack_INCLUDE_DIR dlpack/dlpack.h PATH_SUFFIXES include)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(DLPack
  REQUIRED_VARS DLPack_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "the C API needs dlpack/dlpack.h: apt's libdlpack-dev, or DLPack_ROOT")
mark_as_advanced(DLPack_INCLUDE_DIR)
