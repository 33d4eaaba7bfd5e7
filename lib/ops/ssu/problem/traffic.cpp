#include "lib/ops/ssu/problem/traffic.hpp"

#include "lib/ops/ssu/problem/problem.hpp"

#include <ssugraph/error.hpp>

#include <cstddef>
#include <string>

namespace ssugraph::detail {
namespace {

/** Bytes of a tensor that differ, along the axes behind the one that counts slots or rows. */
std::int64_t bytes_of_entry(const ssu_problem& problem, std::size_t tensor) {
  const std::optional<dtype> type = dtype_of(problem, static_cast<ssu_tensor>(tensor));
  if (!type) return 0;
  const ssu_operand& each = ssu_operands[tensor];
  std::int64_t bytes = size_of(*type);
  for (std::size_t axis = 0; axis < static_cast<std::size_t>(each.shape.rank); ++axis) {
    if (axis == 0 && each.what.leading != first_axis::none) continue;
    // Written elements all differ; the others may be one, which a stride of 0 tells.
    const bool differ = each.what.is_written() || problem.layouts[tensor].strides[axis] != 0;
    if (differ) bytes *= extent_of(problem, each.shape.axes[axis]);
  }
  return bytes;
}

/** Of a state: whether it is in a ring, which is read and written by rows. */
bool is_ring(ssu_tensor tensor) {
  return tensor == ssu_tensor::x_ring || tensor == ssu_tensor::B_ring ||
         tensor == ssu_tensor::dt_ring;
}

/** Bytes of a ring's rows: those in use on the average, where all tokens are accepted and the
 *  positions of sequences are spread, and those appended. */
std::int64_t ring_traffic(const ssu_problem& problem, std::int64_t bytes_of_ring,
                          std::int64_t sequences, std::int64_t rows) {
  const std::int64_t live_twice = sequences * (problem.checkpoint_interval + problem.max_seqlen);
  return bytes_of_ring / problem.ring_rows * (live_twice + 2 * rows) / 2;
}

/** Bytes of the states that are stored, each of `bytes_of_state`; of rings one a sequence and W
 *  tokens, so that of a few sequences a part of one is. */
std::int64_t stored_traffic(const ssu_problem& problem, std::int64_t bytes_of_state,
                            std::int64_t sequences, std::int64_t rows) {
  if (problem.checkpoint_interval > 0) return bytes_of_state * rows / problem.checkpoint_interval;
  return bytes_of_state * (problem.mode == ssu_mode::speculative ? rows : sequences);
}

}  // namespace

std::int64_t ssu_traffic(const ssu_problem& problem, std::int64_t sequences) {
  return ssu_traffic(problem, sequences,
                     sequences * (problem.has_cu_seqlens ? problem.max_seqlen : 1));
}

std::int64_t ssu_traffic(const ssu_problem& problem, std::int64_t sequences, std::int64_t rows) {
  std::int64_t bytes = 0;
  const auto operands = operands_of_ssu(problem.has_dst_state);
  for (std::size_t i = 0; i < ssu_tensor_count; ++i) {
    if (ssu_operands[i].shape.rank == 0) continue;
    const std::int64_t entry = bytes_of_entry(problem, i);
    if (is_ring(static_cast<ssu_tensor>(i))) {
      if (entry > 0) bytes += ring_traffic(problem, entry, sequences, rows);
      continue;
    }
    switch (operands[i].leading) {
      case first_axis::slots:
        if (operands[i].is_read()) bytes += entry * sequences;
        if (operands[i].is_written()) bytes += stored_traffic(problem, entry, sequences, rows);
        break;
      case first_axis::rows:
        bytes += rows * entry;
        break;
      case first_axis::sequences:
      case first_axis::boundaries:
      case first_axis::none:
        bytes += entry;
        break;
    }
  }
  return bytes;
}

}  // namespace ssugraph::detail

namespace ssugraph {

std::size_t state_bytes(const ssu_problem& problem, std::int64_t slots) {
  if (slots < 0) throw invalid_argument{"slots", "0 or more", std::to_string(slots)};
  const std::int64_t scale_bytes = is_scaled(problem.state_dtype) ? size_of(dtype::float32) : 0;
  auto bytes =
      static_cast<std::size_t>(problem.dstate * size_of(problem.state_dtype) + scale_bytes);
  for (const std::int64_t extent : {problem.nheads, problem.dim, slots}) {
    if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(extent), &bytes)) {
      throw invalid_argument{"slots", "a state of less than 2^64 bytes", std::to_string(slots)};
    }
  }
  return bytes;
}

}  // namespace ssugraph
