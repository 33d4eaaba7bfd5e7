#pragma once

#include <ssugraph/stream.hpp>
#include <ssugraph/tensor_view.hpp>

#include <cstdint>
#include <span>

namespace ssugraph::detail::flashinfer {

/** FlashInfer's kernels of one token, by its names; `simple` has a kernel of many tokens, too. */
enum class flashinfer_algorithm : std::uint8_t { simple, vertical, horizontal };

/** A tensor of rows, each of them contiguous; the stride is in elements. Absent: null. */
struct flashinfer_rows {
  void* data = nullptr;
  std::int64_t stride = 0;
};

/** Slots by sequence and token; absent: null. */
struct flashinfer_slots {
  void* data = nullptr;
  std::int64_t sequence_stride = 0;
  std::int64_t token_stride = 0;  ///< 0: the same slot for every token
};

/** One launch, resolved: what FlashInfer's launchers take, without its headers. */
struct flashinfer_call {
  flashinfer_algorithm algorithm = flashinfer_algorithm::simple;
  bool many_tokens = false;  ///< by the kernel of many tokens, which is `simple`
  std::uint32_t sequences = 0;
  std::uint32_t nheads = 0;
  std::uint32_t ngroups = 0;
  std::uint32_t slots = 0;
  std::int32_t pad_slot_id = -1;
  bool dt_softplus = false;
  flashinfer_rows state, state_scale, x, dt, z, B, C, out;
  void* A = nullptr;
  void* D = nullptr;
  void* dt_bias = nullptr;
  flashinfer_slots indices, dst_indices;
  void* accepted = nullptr;
  void* cu_seqlens = nullptr;
  const std::int64_t* rand_seed = nullptr;
};

/** What one compiled variant of FlashInfer's kernels is for. */
struct flashinfer_shape {
  std::int64_t dim = 0;
  std::int64_t dstate = 0;
  dtype state = dtype::bfloat16;
  dtype io = dtype::bfloat16;
  dtype weights = dtype::float32;  ///< of dt, D and dt_bias
  dtype A = dtype::float32;
  dtype index = dtype::int32;
  std::int64_t tokens = 1;      ///< T
  int philox_rounds = 0;        ///< 0: rounds to nearest
  dtype counts = dtype::int32;  ///< of cu_seqlens and num_accepted_tokens

  bool operator==(const flashinfer_shape&) const = default;
};

// --- What compiles of FlashInfer's kernels, which limits.cpp refuses the rest by -----------------

/** The least dim of the kernels that copy by TMA. */
inline constexpr std::int64_t min_tma_dim = 64;

/** Whether the kernel of many tokens has this dim. */
constexpr bool many_tokens_take_dim(std::int64_t dim) noexcept {
  return dim == 32 || dim % 64 == 0;
}
/** Whether it has rows of state of so many bytes. */
constexpr bool many_tokens_take_row(std::int64_t bytes) noexcept {
  return bytes >= 128;
}

/** A compiled variant. `launch` throws unsupported or cuda_error, and nothing of FlashInfer's. */
struct flashinfer_specialization {
  flashinfer_shape shape;
  void (*launch)(const flashinfer_call& call, stream_handle stream);
};

/** All compiled variants; the build generates it from the list of shapes. */
[[nodiscard]] std::span<const flashinfer_specialization> flashinfer_specializations() noexcept;

}  // namespace ssugraph::detail::flashinfer
