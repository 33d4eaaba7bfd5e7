#pragma once

/** @file
 *  What an SSU call boils down to for dispatch. */

#include <ssugraph/device.hpp>
#include <ssugraph/export.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/tensor_layout.hpp>
#include <ssugraph/tensor_view.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

namespace ssugraph {

/**
 * What `ssu_args` boil down to for dispatch, as they are launched. Holds no address and no batch.
 * A pipeline launches its own copies of index and count tensors: dense, aligned, the indices there
 * even where none are bound (int32 then, and null_block_id is -1).
 */
struct ssu_problem {
  ///@{
  /** As of the tensors in ssu_args. */
  ssu_mode mode = ssu_mode::plain;
  std::int64_t nheads = 0;
  std::int64_t dim = 0;
  std::int64_t dstate = 0;
  std::int64_t ngroups = 0;
  ///@}
  /** T: most tokens of a sequence, and so rows a sequence has in a bucket. Plain: 1. */
  std::int64_t max_seqlen = 1;
  ///@{
  /** Of the tensor of that name, or whether it is bound. Without a value, it is not. */
  dtype state_dtype = dtype::float32;
  dtype x_dtype = dtype::float32;
  dtype dt_dtype = dtype::float32;
  dtype A_dtype = dtype::float32;
  dtype B_dtype = dtype::float32;
  dtype C_dtype = dtype::float32;
  std::optional<dtype> D_dtype;
  std::optional<dtype> z_dtype;
  std::optional<dtype> dt_bias_dtype;
  dtype out_dtype = dtype::float32;
  bool has_dst_state = false;
  bool has_indices = false;
  bool has_dst_indices = false;
  bool has_cu_seqlens = false;
  std::optional<dtype> index_dtype;  ///< of state_batch_indices
  std::optional<dtype> dst_index_dtype;
  std::optional<dtype> accepted_dtype;
  std::optional<dtype> cu_seqlens_dtype;
  bool has_rand_seed = false;  ///< else the seed comes by value
  bool has_rounding_key = false;
  ///@}
  ///@{
  /** W and R of a checkpointed state; 0: it is none. */
  std::int64_t checkpoint_interval = 0;
  std::int64_t ring_rows = 0;
  ///@}
  /** It has a cursor, which nobody launches: a pipeline launches its prologue's plan. */
  bool has_ring_cursor = false;
  bool out_in_place = false;       ///< `out` is `x` or `z`
  std::int64_t slots = 0;          ///< of the state
  std::int64_t null_block_id = 0;  ///< as in ssu_args; in pipelines -1 if indices cannot hold it
  bool dt_softplus = false;        ///< as in ssu_args
  ///@{
  /** As in ssu_args; infinite: no limit. */
  float dt_min = -std::numeric_limits<float>::infinity();
  float dt_max = std::numeric_limits<float>::infinity();
  ///@}
  /** A, dt and dt_bias are one scalar a head (Mamba-2). */
  bool tied = false;
  bool stochastic_rounding = false;  ///< of the stored state
  int philox_rounds = 0;             ///< 3..10 with stochastic rounding, else 0
  ssugraph::device device;           ///< where all tensors are
  /** Empty if state, dst_state, (untied) A, B, C and B_ring allow 16-byte accesses, and 8 elements
   * at a time, along dstate; else the first tensor that does not, with the reason. */
  std::string misalignment;
  /** Of each ssu_tensor; see layout(). */
  std::array<tensor_layout, 24> layouts{};
  bool is_blackwell = false;  ///< the device's compute capability is 10.0 or later
  /** That launches may use: the device's, or of a lane whose stream has a part of them, that
   * part's. 0: not told, or the host. */
  int multiprocessors = 0;

  /** How `tensor` lies. */
  [[nodiscard]] const tensor_layout& layout(ssu_tensor tensor) const noexcept {
    return layouts[static_cast<std::size_t>(tensor)];
  }

  bool operator==(const ssu_problem&) const = default;
};

/** One line for people, without its end. */
[[nodiscard]] SSUGRAPH_EXPORT std::string to_string(const ssu_problem& problem);

/** Bytes of dense state tensors of `slots` slots, the scales of a scaled state included. Throws
 *  invalid_argument if negative or too big. */
[[nodiscard]] SSUGRAPH_EXPORT std::size_t state_bytes(const ssu_problem& problem,
                                                      std::int64_t slots);

}  // namespace ssugraph
