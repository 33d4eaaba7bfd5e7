#ifndef SSUGRAPH_C_STREAM_H
#define SSUGRAPH_C_STREAM_H

/** @file
 *  Handles of CUDA, without its headers; C++: stream.hpp. */

typedef struct CUstream_st* ssugraph_stream;        /**< the same type as cudaStream_t */
typedef struct CUgraph_st* ssugraph_graph;          /**< the same type as cudaGraph_t */
typedef struct CUgraphNode_st* ssugraph_graph_node; /**< the same type as cudaGraphNode_t */

#endif
