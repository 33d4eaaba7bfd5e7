#pragma once

#include <ssugraph/export.hpp>

/** @file
 *  The CUDA runtime that the including program links, which need not be the library's own. */
namespace ssugraph::detail {

/** The last error of the CUDA runtime that the including program links: not the library's own where
 *  that is a shared one. Null without a runtime. */
struct callers_last_error {
  int (*peek)() = nullptr;
  int (*get)() = nullptr;
};

// Of the including program: null where it links no CUDA runtime.
[[gnu::weakref("cudaPeekAtLastError")]] static int peek_at_callers_last_error();
[[gnu::weakref("cudaGetLastError")]] static int get_callers_last_error();

}  // namespace ssugraph::detail
