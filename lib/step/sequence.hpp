#pragma once

#include "lib/core/host_device.hpp"

#include <cstdint>

/**
 * The sequences of a call: which rows each has, which slots it reads and writes, and when its state
 * is stored. Index and count tensors hold whatever the caller put there, and nothing of it is
 * trusted: rows and lengths are clamped, and a slot that does not exist counts as the null block.
 * One source for the kernels, the CPU and the checks; ssugraph/ssu.hpp says what the tensors mean.
 */
namespace ssugraph::detail {

/** An index or count tensor; strides in elements. Absent if `data` is null. */
struct index_tensor {
  const void* data;
  std::int64_t stride[2];
  bool wide;  ///< int64, else int32

  bool operator==(const index_tensor&) const = default;
};

/** What says where the rows and slots of sequences are. A `Rule` below is this, or the parameters
 * of a kernel that have its members: of a struct within them nvcc makes other code, which took 12.3
 * us instead of 12.0 for a Mamba-1 layer of 16 sequences of 4 tokens (H100, CUDA 13.0). */
struct sequence_rule {
  index_tensor indices;  ///< absent: sequence i has slot i
  index_tensor dst_indices;
  index_tensor accepted;    ///< present: the state is stored behind every token
  index_tensor cu_seqlens;  ///< absent: sequence i has row i
  std::int64_t slots;       ///< of the state that is read
  std::int64_t dst_slots;   ///< of that which is written; without dst_indices, no fewer
  std::int64_t rows;        ///< of the tensors that have any
  std::int64_t max_seqlen;  ///< T
  std::int64_t null_block_id;
  bool is_apart;  ///< what is written is another state than what is read

  bool operator==(const sequence_rule&) const = default;
};

/** The rows of a sequence. */
struct row_range {
  std::int64_t begin;
  int length;
};

inline constexpr std::int64_t no_slot = -1;

/** The index that lies `offset` elements from the first. */
SSUGRAPH_HOST_DEVICE inline std::int64_t load_index(const index_tensor& tensor,
                                                    std::int64_t offset) {
  return tensor.wide ? static_cast<const std::int64_t*>(tensor.data)[offset]
                     : static_cast<const std::int32_t*>(tensor.data)[offset];
}

SSUGRAPH_HOST_DEVICE inline std::int64_t load_index(const index_tensor& tensor, std::int64_t i,
                                                    std::int64_t j) {
  return load_index(tensor, i * tensor.stride[0] + j * tensor.stride[1]);
}

SSUGRAPH_HOST_DEVICE inline std::int64_t clamp(std::int64_t value, std::int64_t low,
                                               std::int64_t high) {
  return value < low ? low : value > high ? high : value;
}

/** Whether the state goes to a slot of its own behind every token, not only behind the last. */
template <class Rule>
SSUGRAPH_HOST_DEVICE bool stores_every_token(const Rule& rule) {
  return rule.accepted.data != nullptr;
}

/** Rows that a sequence has in a bucket. */
template <class Rule>
SSUGRAPH_HOST_DEVICE std::int64_t rows_a_sequence(const Rule& rule) {
  return rule.cu_seqlens.data != nullptr ? rule.max_seqlen : 1;
}

template <class Rule>
SSUGRAPH_HOST_DEVICE row_range rows_of(const Rule& rule, std::int64_t sequence) {
  if (rule.cu_seqlens.data == nullptr) return {sequence, 1};
  const std::int64_t stride = rule.cu_seqlens.stride[0];
  const std::int64_t begin = clamp(load_index(rule.cu_seqlens, sequence * stride), 0, rule.rows);
  const std::int64_t end =
      clamp(load_index(rule.cu_seqlens, (sequence + 1) * stride), begin, rule.rows);
  return {begin, static_cast<int>(clamp(end - begin, 0, rule.max_seqlen))};
}

/** A slot in [0, slots), or no_slot: the null block, or a slot that does not exist. */
template <class Rule>
SSUGRAPH_HOST_DEVICE std::int64_t live_slot(const Rule& rule, const index_tensor& indices,
                                            std::int64_t slots, std::int64_t sequence,
                                            std::int64_t column) {
  const std::int64_t slot = load_index(indices, sequence, column);
  return slot != rule.null_block_id && slot >= 0 && slot < slots ? slot : no_slot;
}

/** Which of its indices says what a sequence reads. */
template <class Rule>
SSUGRAPH_HOST_DEVICE std::int64_t source_column(const Rule& rule, std::int64_t sequence) {
  if (!stores_every_token(rule)) return 0;
  const std::int64_t accepted = load_index(rule.accepted, sequence * rule.accepted.stride[0]);
  return clamp(accepted, 1, rule.max_seqlen) - 1;  // whatever number that is
}

/** The slot that a sequence reads; no_slot: it is null. */
template <class Rule>
SSUGRAPH_HOST_DEVICE std::int64_t source_slot(const Rule& rule, std::int64_t sequence) {
  if (rule.indices.data == nullptr) return sequence;
  return live_slot(rule, rule.indices, rule.slots, sequence, source_column(rule, sequence));
}

/** The slot that takes the state after token `t` of `length`, where `source` was read; no_slot: it
 *  is not stored. */
template <class Rule>
SSUGRAPH_HOST_DEVICE std::int64_t destination_slot(const Rule& rule, std::int64_t sequence,
                                                   std::int64_t source, int t, int length) {
  const bool every_token = stores_every_token(rule);
  if (!every_token && t + 1 < length) return no_slot;
  const int column = every_token ? t : 0;
  if (rule.dst_indices.data != nullptr)
    return live_slot(rule, rule.dst_indices, rule.dst_slots, sequence, column);
  if (every_token) return live_slot(rule, rule.indices, rule.dst_slots, sequence, column);
  return source;
}

// --- For checks: the same as the caller gave it

/** The index of the slot that a sequence reads. */
template <class Rule>
SSUGRAPH_HOST_DEVICE std::int64_t source_index(const Rule& rule, std::int64_t sequence) {
  if (rule.indices.data == nullptr) return sequence;
  return load_index(rule.indices, sequence, source_column(rule, sequence));
}

/** Whether that is the null block. Without indices there is none. */
template <class Rule>
SSUGRAPH_HOST_DEVICE bool reads_null(const Rule& rule, std::int64_t sequence) {
  return rule.indices.data != nullptr && source_index(rule, sequence) == rule.null_block_id;
}

/** How many slots a sequence writes, null ones included: an empty or a null sequence none. */
template <class Rule>
SSUGRAPH_HOST_DEVICE std::int64_t write_count(const Rule& rule, std::int64_t sequence) {
  const int length = rows_of(rule, sequence).length;
  if (length == 0 || reads_null(rule, sequence)) return 0;
  return stores_every_token(rule) ? length : 1;
}

/** The index of the `i`th of those slots. */
template <class Rule>
SSUGRAPH_HOST_DEVICE std::int64_t destination_index(const Rule& rule, std::int64_t sequence,
                                                    std::int64_t i) {
  if (rule.dst_indices.data != nullptr) return load_index(rule.dst_indices, sequence, i);
  return rule.indices.data != nullptr ? load_index(rule.indices, sequence, i) : sequence;
}

}  // namespace ssugraph::detail
