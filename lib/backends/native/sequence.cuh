#pragma once

#include "lib/backends/native/ssu_params.hpp"

#include <cstdint>

/** Which slots and rows a sequence has, of indices and counts that nobody has to trust. */
namespace ssugraph::detail {

__device__ inline std::int64_t load_index(const index_tensor& tensor, std::int64_t offset) {
  return tensor.wide ? static_cast<const std::int64_t*>(tensor.data)[offset]
                     : static_cast<const std::int32_t*>(tensor.data)[offset];
}

/** A slot in [0, slots), or -1: the null block, or a slot that does not exist. */
__device__ inline std::int64_t live_slot(const ssu_params& p, const index_tensor& indices,
                                         std::int64_t sequence, std::int64_t column) {
  const std::int64_t slot =
      load_index(indices, sequence * indices.stride[0] + column * indices.stride[1]);
  return slot != p.null_block_id && slot >= 0 && slot < p.slots ? slot : -1;
}

__device__ inline std::int64_t clamp(std::int64_t value, std::int64_t low, std::int64_t high) {
  return value < low ? low : value > high ? high : value;
}

__device__ inline std::int64_t source_slot(const ssu_params& p, std::int64_t sequence) {
  if (p.indices.data == nullptr) return sequence;
  std::int64_t column = 0;
  if (p.accepted.data != nullptr) {
    const std::int64_t accepted = load_index(p.accepted, sequence * p.accepted.stride[0]);
    column = clamp(accepted - 1, 0, p.max_seqlen - 1);
  }
  return live_slot(p, p.indices, sequence, column);
}

/** The slot that takes the state after token `t` of `length`, or -1. */
__device__ inline std::int64_t destination_slot(const ssu_params& p, std::int64_t sequence,
                                                std::int64_t source, int t, int length) {
  const bool speculative = p.accepted.data != nullptr;
  if (!speculative && t + 1 < length) return -1;
  const int column = speculative ? t : 0;
  if (p.dst_indices.data != nullptr) return live_slot(p, p.dst_indices, sequence, column);
  return speculative ? live_slot(p, p.indices, sequence, column) : source;
}

struct row_range {
  std::int64_t begin;
  int length;
};

__device__ inline row_range rows_of(const ssu_params& p, std::int64_t sequence) {
  if (p.cu_seqlens.data == nullptr) return {sequence, 1};
  const std::int64_t stride = p.cu_seqlens.stride[0];
  const std::int64_t begin = clamp(load_index(p.cu_seqlens, sequence * stride), 0, p.rows);
  const std::int64_t end = clamp(load_index(p.cu_seqlens, (sequence + 1) * stride), begin, p.rows);
  return {begin, static_cast<int>(clamp(end - begin, 0, p.max_seqlen))};
}

}  // namespace ssugraph::detail
