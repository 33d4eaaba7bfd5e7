#ifndef SSUGRAPH_C_STREAM_H
#define SSUGRAPH_C_STREAM_H

/** @file
 *  Handles of CUDA, without its headers; C++: stream.hpp. */

/** The same type as cudaStream_t. NULL is the host's for tensors in host memory and
 *  SSUGRAPH_TARGET_HOST, where work is done when the call returns; on CUDA it is the legacy default
 *  stream of the current context, which cannot be captured. */
typedef struct CUstream_st* ssugraph_stream;
typedef struct CUgraph_st* ssugraph_graph;          /**< the same type as cudaGraph_t */
typedef struct CUgraphNode_st* ssugraph_graph_node; /**< the same type as cudaGraphNode_t */

#endif
