#pragma once

/** @file
 *  Handles of CUDA, without its headers. */

#include <ssugraph/export.hpp>

struct CUstream_st;
struct CUgraph_st;
struct CUgraphNode_st;

namespace ssugraph {

/**
 * A CUDA stream: the same type as `cudaStream_t`, without a CUDA header. The caller owns it.
 * Lanes on one handle are taken to run one after another, on the host too.
 *
 * nullptr is what it is for `cudaStream_t`: the legacy default stream of the current context, which
 * cannot be captured. On host tensors and `target::host` it is the host's own, and the one to pass:
 * a handle only tells lanes apart there, and work is done when the call returns.
 */
using stream_handle = CUstream_st*;
/** The same type as `cudaGraph_t`. */
using graph_handle = CUgraph_st*;
/** The same type as `cudaGraphNode_t`. */
using graph_node_handle = CUgraphNode_st*;

}  // namespace ssugraph
