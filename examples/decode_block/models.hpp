#pragma once

#include <ssugraph/tensor_view.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace decode_block {

/** Taps of the causal convolution: the new token and the three before it. */
inline constexpr std::int64_t conv_width = 4;

/** The Mamba-2 layers of a model. Every width and group of a norm is a multiple of 8. */
struct model {
  std::string_view name;
  std::int32_t layers;
  std::int64_t d_model;
  std::int64_t nheads;
  std::int64_t dim;
  std::int64_t dstate;
  std::int64_t ngroups;
  ssugraph::dtype state_dtype = ssugraph::dtype::bfloat16;
  std::int32_t checkpoint = 0;  ///< W of checkpointed states; 0: every step stores the state

  /** Elements of x, and of z, in one token. */
  [[nodiscard]] std::int64_t inner() const { return nheads * dim; }
  /** Elements of B, and of C, in one token. */
  [[nodiscard]] std::int64_t group_inputs() const { return ngroups * dstate; }
  /** Channels of the convolution: x, B, C. */
  [[nodiscard]] std::int64_t conv_channels() const { return inner() + 2 * group_inputs(); }
  /** Elements of a row that in_proj makes: z, then x, B, C, then dt. */
  [[nodiscard]] std::int64_t projected() const { return inner() + conv_channels() + nheads; }
  /** Elements of the state of one sequence in a layer, and of its conv state. */
  [[nodiscard]] std::int64_t state_slot() const { return inner() * dstate; }
  [[nodiscard]] std::int64_t conv_slot() const { return (conv_width - 1) * conv_channels(); }
  /** R of the rings: the least for one token a step. */
  [[nodiscard]] std::int64_t ring_rows() const { return checkpoint > 0 ? checkpoint + 1 : 0; }
};

/** Throws invalid_argument for an unknown name, with the valid ones. */
[[nodiscard]] model find_model(std::string_view name);

/** The names that `find_model` knows. */
[[nodiscard]] std::string model_names();

}  // namespace decode_block
