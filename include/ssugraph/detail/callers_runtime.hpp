#pragma once

/** @file
 *  The CUDA runtime that the including program links, which need not be the library's own. */

#include <ssugraph/export.hpp>

namespace ssugraph::detail {

/** The last error of the CUDA runtime that the including program links: not the library's own where
 *  that is a shared one. Null without a runtime. */
struct callers_last_error {
  int (*peek)() = nullptr;
  int (*get)() = nullptr;
};

// Of the including program: null where it links no CUDA runtime.
[[maybe_unused, gnu::weakref("cudaPeekAtLastError")]] static int peek_at_callers_last_error();
[[maybe_unused, gnu::weakref("cudaGetLastError")]] static int get_callers_last_error();

}  // namespace ssugraph::detail
