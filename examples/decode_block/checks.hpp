#pragma once

#include "block.hpp"

#include <ssugraph/lane.hpp>

#include <cstdint>
#include <span>
#include <stdexcept>

/** Whether the recorded step does what it should. */
namespace decode_block {

/** It did something else. Says where, and the numbers. */
class check_failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct check_result {
  std::int64_t steps = 0;      ///< replayed and run eagerly
  std::int64_t sequences = 0;  ///< computed again on the CPU, in every layer of the last step
  /** Largest errors against the CPU, as shares of what is tolerated. */
  double worst_element = 0;
  double worst_rms = 0;
};

/**
 * Runs some steps with changing batches, slots and tokens, each on two copies of the same memory:
 * by `replay` and by `run_eager`. Every state and every residual stream must agree bit for bit, and
 * slots of nobody's must stay as they are. The last step is computed again on the CPU for up to
 * `sequences` sequences, each layer from what the device had in front of it: the residual stream
 * and both states may differ by 1/64 of (magnitude + root mean square) in an element, and in root
 * mean square by 1/128 of that of the tensor; a scaled state by a unit of its format more, that of
 * the code times the scale. Of a checkpointed state it is the checkpoint with what is in the ring.
 *
 * `decoder` was recorded on `memory`, whose content is changed, for `buckets`. Throws
 * check_failure.
 */
[[nodiscard]] check_result check_decoder(ssugraph::lane& decoder, const model_weights& weights,
                                         const decode_memory& memory,
                                         std::span<const std::int32_t> buckets,
                                         std::int32_t sequences, cudaStream_t stream);

}  // namespace decode_block
