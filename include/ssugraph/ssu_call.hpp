#pragma once

/** @file
 *  A prepared SSU call: planned once, launched with other addresses. */

#include <ssugraph/export.hpp>
#include <ssugraph/ssu_plan.hpp>
#include <ssugraph/stream.hpp>

#include <cstdint>
#include <memory>

namespace ssugraph {

class ssu_dispatch;

namespace detail {
struct prepared_ssu;
}  // namespace detail

/** Where the first elements of the tensors of an `ssu_args` lie, by name. Null: not bound. */
struct ssu_addresses {
  ///@{
  /** Of the tensor of that name. */
  const void* state = nullptr;
  const void* x = nullptr;
  const void* dt = nullptr;
  const void* A = nullptr;
  const void* B = nullptr;
  const void* C = nullptr;
  const void* D = nullptr;
  const void* z = nullptr;
  const void* dt_bias = nullptr;
  const void* out = nullptr;
  const void* state_batch_indices = nullptr;
  const void* dst_state_batch_indices = nullptr;
  const void* num_accepted_tokens = nullptr;
  const void* cu_seqlens = nullptr;
  const void* rand_seed = nullptr;
  const void* dst_state = nullptr;
  const void* state_scale = nullptr;
  const void* dst_state_scale = nullptr;
  const void* x_ring = nullptr;
  const void* B_ring = nullptr;
  const void* dt_ring = nullptr;
  const void* ring_cursor = nullptr;
  const void* ring_plan = nullptr;
  const void* rounding_key = nullptr;
  ///@}

  bool operator==(const ssu_addresses&) const = default;
};

/**
 * An SSU call that `ssu_dispatch::prepare` validated, planned and loaded for its largest batch, to
 * be launched with other addresses and batches: for an engine that makes one call for every layer
 * and step. Const, cheap to copy, and safe to share between threads. Keeps what it needs of its
 * dispatch, whose random state it draws from.
 *
 * @code{.cpp}
 * const ssugraph::ssu_dispatch dispatch{ssugraph::mamba_config{}};
 * const ssugraph::ssu_call call = dispatch.prepare(args);  // tensors of the largest batch
 * ssugraph::ssu_addresses at = call.addresses();           // those of `args`
 * at.state = layers[i].state;
 * call.launch(at, batch, stream);
 * @endcode
 */
class SSUGRAPH_EXPORT ssu_call {
 public:
  /** Of the largest batch. */
  [[nodiscard]] const ssu_plan& plan() const noexcept;
  /** Sequences that it was prepared for. */
  [[nodiscard]] std::int64_t max_batch() const noexcept;
  /** Of the tensors that it was prepared with. */
  [[nodiscard]] const ssu_addresses& addresses() const noexcept;

  /**
   * Enqueues the SSU of the first `batch` sequences on `stream`: with dtypes, strides and scalars
   * as prepared, by the kernel and the tile of the plan (a user's backend plans again for a smaller
   * batch). Throws invalid_argument for a batch outside of 0..max_batch, an address that is null
   * where a tensor was bound or the other way round, and one that is aligned less than the plan can
   * take; cuda_error.
   *
   * Not looked at, and so the caller's promise: each address is on the device that the call was
   * prepared for, and all of its tensor is there; what is written shares no byte with another
   * tensor, but for `out` on `x` or `z`; and what ssu_args says of indices and counts.
   *
   * Ordered by the stream. Where native or triton runs it, no allocation, on the host either. A
   * seed that is not bound is drawn as by an eager call, and so is an invalid_state in a capture;
   * capture-safe else. Checked (then it waits) and programmatic as its dispatch.
   */
  void launch(const ssu_addresses& addresses, std::int64_t batch, stream_handle stream) const;

 private:
  friend class ssu_dispatch;
  explicit ssu_call(std::shared_ptr<const detail::prepared_ssu> call) noexcept;

  std::shared_ptr<const detail::prepared_ssu> prepared_;
};

}  // namespace ssugraph
