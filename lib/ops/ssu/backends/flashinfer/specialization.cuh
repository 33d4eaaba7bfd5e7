#pragma once

/**
 * One variant of FlashInfer's kernels. Only generated files include this, one each, behind the
 * macros that name the variant:
 *
 *     SSUGRAPH_FLASHINFER_NAMESPACE  instead of `flashinfer`
 *     SSUGRAPH_FLASHINFER_LAUNCH     the function to define, in ssugraph::detail::flashinfer
 *     SSUGRAPH_FLASHINFER_DIM, ..DSTATE, ..TOKENS, ..PHILOX_ROUNDS
 *     SSUGRAPH_FLASHINFER_STATE, ..IO, ..WEIGHTS, ..A, ..INDEX, ..COUNTS: types
 *
 * FlashInfer's launchers take sizes and some types from names of file scope. Their own mangled
 * names lack these, so a linker would silently merge two variants: hence a namespace for each.
 */

#include "lib/core/cuda_check.hpp"
#include "lib/ops/ssu/backends/flashinfer/driver.hpp"
#include "lib/ops/ssu/backends/flashinfer/specialization.hpp"

#include <ssugraph/error.hpp>

#include <cuda.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

// The TMA kernels do not compile for fewer rows.
static_assert(ssugraph::detail::flashinfer::min_tma_dim == 64, "limits.cpp goes by the same limit");
#if SSUGRAPH_FLASHINFER_DIM >= 64
#define FLASHINFER_MAMBA_ENABLE_SM90
#endif

/** For the macros below, one of which is `flashinfer`. */
namespace ssugraph::detail {
namespace driver_of_flashinfer = flashinfer;
}

// Its headers call these two directly, which would make the library need a driver to be linked.
#define cuTensorMapEncodeTiled ::ssugraph::detail::driver_of_flashinfer::encode_tensor_map
#define cuGetErrorString ::ssugraph::detail::driver_of_flashinfer::driver_error_string
#define flashinfer SSUGRAPH_FLASHINFER_NAMESPACE

namespace flashinfer::mamba {

using state_t = SSUGRAPH_FLASHINFER_STATE;
using input_t = SSUGRAPH_FLASHINFER_IO;
using weight_t = SSUGRAPH_FLASHINFER_WEIGHTS;
using matrixA_t = SSUGRAPH_FLASHINFER_A;
using stateIndex_t = SSUGRAPH_FLASHINFER_INDEX;
using cuSeqlensIndex_t = SSUGRAPH_FLASHINFER_COUNTS;
using numAcceptedIndex_t = SSUGRAPH_FLASHINFER_COUNTS;
using state_scale_t = std::conditional_t<std::is_same_v<state_t, std::int16_t>, float, void>;
inline constexpr int DIM = SSUGRAPH_FLASHINFER_DIM;
inline constexpr int DSTATE = SSUGRAPH_FLASHINFER_DSTATE;
inline constexpr int NTOKENS_MTP = SSUGRAPH_FLASHINFER_TOKENS;
inline constexpr int PHILOX_ROUNDS = SSUGRAPH_FLASHINFER_PHILOX_ROUNDS;

}  // namespace flashinfer::mamba

#include <flashinfer/mamba/selective_state_update.cuh>

#undef flashinfer

namespace ssugraph::detail::flashinfer {
namespace {

using namespace ::SSUGRAPH_FLASHINFER_NAMESPACE::mamba;

constexpr bool compiles_many_tokens =
    many_tokens_take_dim(DIM) && many_tokens_take_row(DSTATE * sizeof(state_t));

SSUAlgorithm lowered(flashinfer_algorithm algorithm) {
  switch (algorithm) {
    case flashinfer_algorithm::vertical:
      return SSUAlgorithm::kVertical;
    case flashinfer_algorithm::horizontal:
      return SSUAlgorithm::kHorizontal;
    case flashinfer_algorithm::simple:
      return SSUAlgorithm::kSimple;
  }
  return SSUAlgorithm::kSimple;
}

template <class Params>
Params lowered(const flashinfer_call& call) {
  Params params;
  params.batch = call.sequences;
  params.nheads = call.nheads;
  params.dim = DIM;
  params.dstate = DSTATE;
  params.ngroups = call.ngroups;
  params.state_cache_size = call.slots;
  params.pad_slot_id = call.pad_slot_id;
  params.dt_softplus = call.dt_softplus;
  params.state = call.state.data;
  params.state_stride_batch = call.state.stride;
  params.state_scale = call.state_scale.data;
  params.state_scale_stride_batch = call.state_scale.stride;
  params.x = call.x.data;
  params.x_stride_batch = call.x.stride;
  params.dt = call.dt.data;
  params.dt_stride_batch = call.dt.stride;
  params.z = call.z.data;
  params.z_stride_batch = call.z.stride;
  params.B = call.B.data;
  params.B_stride_batch = call.B.stride;
  params.C = call.C.data;
  params.C_stride_batch = call.C.stride;
  params.output = call.out.data;
  params.out_stride_batch = call.out.stride;
  params.A = call.A;
  params.D = call.D;
  params.dt_bias = call.dt_bias;
  params.state_batch_indices = call.indices.data;
  params.state_batch_indices_stride_batch = call.indices.sequence_stride;
  params.state_batch_indices_stride_T = call.indices.token_stride;
  params.dst_state_batch_indices = call.dst_indices.data;
  params.dst_state_batch_indices_stride_batch = call.dst_indices.sequence_stride;
  params.dst_state_batch_indices_stride_T = call.dst_indices.token_stride;
  params.rand_seed = call.rand_seed;
  return params;
}

template <class Params>
void launch_many_tokens(const flashinfer_call& call, cudaStream_t stream) {
  if constexpr (compiles_many_tokens) {
    auto params = lowered<Params>(call);
    params.ntokens_mtp = NTOKENS_MTP;
    params.cache_steps = NTOKENS_MTP;
    params.cu_seqlens = call.cu_seqlens;
    params.num_accepted_tokens = call.accepted;
    mtp::invokeSelectiveStateUpdateMTP<input_t, weight_t, matrixA_t, state_t, stateIndex_t,
                                       state_scale_t>(params, SSUAlgorithm::kSimple, stream);
  } else {
    throw std::runtime_error{"the kernel of many tokens was not compiled"};
  }
}

template <class Params>
void launch_one_token(const flashinfer_call& call, cudaStream_t stream) {
  if constexpr (NTOKENS_MTP == 1) {
    auto params = lowered<Params>(call);
    invokeSelectiveStateUpdate<input_t, weight_t, matrixA_t, state_t, stateIndex_t, state_scale_t>(
        params, lowered(call.algorithm), stream);
  } else {
    throw std::runtime_error{"the kernels of one token were not compiled"};
  }
}

/** FlashInfer checks before it launches, so that nothing is enqueued when this is thrown. */
[[noreturn]] void refuse(const std::exception& error) {
  cudaGetLastError();
  throw unsupported{{{"flashinfer", std::string{"its launcher says: "} + error.what()}}};
}

}  // namespace

void SSUGRAPH_FLASHINFER_LAUNCH(const flashinfer_call& call, stream_handle stream) {
  // FlashInfer does not look at its launches; what is found behind them must be theirs.
  cudaGetLastError();
  try {
    if (call.many_tokens) {
      launch_many_tokens<mtp::SelectiveStateMTPParams>(call, stream);
    } else {
      launch_one_token<SelectiveStateUpdateParams>(call, stream);
    }
  } catch (const cuda_error&) {
    throw;
  } catch (const ::SSUGRAPH_FLASHINFER_NAMESPACE::Error& error) {
    refuse(error);
  } catch (const std::runtime_error& error) {
    refuse(error);
  }
  check_cuda(cudaGetLastError(), "launch of a kernel of FlashInfer");
}

}  // namespace ssugraph::detail::flashinfer
