#pragma once

#include <ssugraph/error.hpp>

#include <cuda_runtime_api.h>

#include <string>

namespace ssugraph::detail {

/** The compute capabilities that kernels were built for, `8.0, 9.0`; later ones of the last major
 *  number run them, too, and all later ones where they come as PTX. */
[[nodiscard]] std::string built_architectures();

/** Asks CUDA for the compute capability of device `ordinal`, major times ten plus minor. */
[[nodiscard]] cudaError_t get_compute_capability(int& capability, int ordinal) noexcept;

/** CUDA's name and words for `code`. */
[[nodiscard]] std::string describe_error(cudaError_t code);

/** Throws cuda_error; says which GPUs have kernels where that may be the reason. */
[[noreturn]] void throw_cuda_error(cudaError_t code, const char* call);

/** Throws cuda_error unless `code` is success. `call` names the call and what it was for; a
 * literal, since a replay that succeeds must not build a string. */
inline void check_cuda(cudaError_t code, const char* call) {
  if (code != cudaSuccess) throw_cuda_error(code, call);
}

}  // namespace ssugraph::detail
