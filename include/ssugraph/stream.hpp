#pragma once

struct CUstream_st;

namespace ssugraph {

/**
 * A CUDA stream: the same type as `cudaStream_t`, without a CUDA header. The caller owns it. Work
 * on host tensors ignores it; pass nullptr there.
 */
using stream_handle = CUstream_st*;

/** True if this build has CUDA and the process sees a CUDA device. Never throws, never blocks. */
[[nodiscard]] bool has_cuda_device() noexcept;

}  // namespace ssugraph
