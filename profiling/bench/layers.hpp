#pragma once

#include "profiling/bench/device_memory.hpp"
#include "profiling/bench/options.hpp"
#include "profiling/bench/sequences.hpp"

#include <ssugraph/ssu.hpp>

#include <cstdint>
#include <vector>

namespace bench {

/** Device memory of random numbers, no two of the same. */
class random_tensor {
 public:
  random_tensor() = default;
  /** Uniform in shift - scale .. shift + scale. Throws cuda_error. */
  random_tensor(ssugraph::dtype type, std::int64_t count, float scale, float shift = 0.0f);

  [[nodiscard]] void* at(std::int64_t element) const;

 private:
  std::int64_t element_size_ = 0;
  device_memory memory_;
};

/**
 * The tensors of one layer as a model has them: x, B and C are slices of one row, A is negative.
 * What is added to a state and its decay balance out at about 1, as codes times scales of a scaled
 * one begin, so that no number of replays makes it overflow or vanish. Tied or not, dtypes are a
 * model's: A fp32, all else bf16 unless the options say otherwise.
 */
class layer {
 public:
  /** `slots` with the null block. Fills on the legacy stream. Throws cuda_error. */
  layer(const options& opts, const shape& s, std::int64_t rows, std::int64_t slots);

  /** For as many sequences as `seqs` has. */
  [[nodiscard]] ssugraph::ssu_args args(const sequences& seqs) const;
  [[nodiscard]] void* state() const { return state_.at(0); }
  [[nodiscard]] void* scale() const { return scale_.at(0); }

 private:
  [[nodiscard]] ssugraph::tensor_view per_channel(const random_tensor& tensor) const;

  shape shape_;
  ssugraph::dtype state_type_;
  std::int64_t ring_rows_;  ///< 0: it has no rings
  std::int64_t rows_;
  std::int64_t slots_;
  bool untied_;
  bool dim_innermost_;
  ssugraph::dtype io_;
  ssugraph::dtype group_type_;
  std::int64_t x_width_;
  std::int64_t group_width_;
  /** x, B and C of a row lie in one, but those of another dtype. */
  random_tensor state_, scale_, x_ring_, B_ring_, dt_ring_, row_, group_row_, z_, dt_, out_, A_, D_,
      dt_bias_;
};

/** All layers of a shape, and what they share. */
struct model {
  /** Throws invalid_argument if the state does not fit into free memory, and cuda_error. */
  model(const options& opts, const bench::shape& s);

  bench::shape shape;
  sequences seqs;
  std::vector<layer> layers;

 private:
  model(const options& opts, const bench::shape& s, std::int64_t slots);
};

}  // namespace bench
