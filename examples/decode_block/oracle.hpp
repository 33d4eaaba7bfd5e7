#pragma once

#include "memory.hpp"
#include "models.hpp"

#include <cstdint>
#include <vector>

/** One token of one sequence through one layer, on the CPU: sums in double, and bf16 where the
 *  device stores an activation. */
namespace decode_block {

/** The weights of a layer on the host. */
struct host_weights {
  /** Waits for `stream`. */
  host_weights(const layer_weights& weights, cudaStream_t stream);

  std::vector<bf16> pre_norm, in_proj, conv, conv_bias, D, dt_bias, norm, out_proj;
  std::vector<float> A;
};

/** What goes into a layer for one sequence, and what comes out. */
template <class T>
struct sequence_values {
  std::vector<T> residual;    ///< (d_model)
  std::vector<T> conv_state;  ///< (conv_width - 1, conv_channels)
  std::vector<T> ssm_state;   ///< (nheads, dim, dstate), decoded
};

/** The results are not rounded to what they are stored as. */
[[nodiscard]] sequence_values<double> evaluate_layer(const model& shape,
                                                     const host_weights& weights,
                                                     const sequence_values<float>& before);

}  // namespace decode_block
