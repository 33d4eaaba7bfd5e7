#pragma once

/** Marks a function that the CPU backends and the kernels share, so that both give the same bits.
 */
#ifdef __CUDACC__
#define SSUGRAPH_HOST_DEVICE __host__ __device__
#else
#define SSUGRAPH_HOST_DEVICE
#endif
