#pragma once

/** @file
 *  Handles of CUDA, without its headers. */

#include <ssugraph/export.hpp>

struct CUstream_st;
struct CUgraph_st;
struct CUgraphNode_st;

namespace ssugraph {

/**
 * A CUDA stream: the same type as `cudaStream_t`, without a CUDA header. The caller owns it. Work
 * on host tensors ignores it; pass nullptr there. Lanes on
 * one handle are taken to run one after another, on the host too.
 */
using stream_handle = CUstream_st*;
/** The same type as `cudaGraph_t`. */
using graph_handle = CUgraph_st*;
/** The same type as `cudaGraphNode_t`. */
using graph_node_handle = CUgraphNode_st*;

}  // namespace ssugraph
