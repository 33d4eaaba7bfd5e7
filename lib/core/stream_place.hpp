#pragma once

struct CUctx_st;
struct CUgreenCtx_st;

namespace ssugraph::detail {

using context_handle = CUctx_st*;
using green_handle = CUgreenCtx_st*;

/** Where the work of a stream runs. */
struct stream_place {
  context_handle context = nullptr;  ///< to be current in calls; never that of a part
  green_handle part = nullptr;       ///< some of the multiprocessors (a green context); null: all
  /** Of the part, for kernel nodes; null where they run in `context`. It is never made current:
   * CUDA allows that in one thread at a time. */
  context_handle part_context = nullptr;

  bool operator==(const stream_place&) const = default;
};

}  // namespace ssugraph::detail
