#pragma once

/** @file
 *  Which batches get a graph. */

#include <ssugraph/export.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ssugraph {

/** The batch sizes, in sequences, that get a graph; ascending. */
class SSUGRAPH_EXPORT bucket_policy {
 public:
  /**
   * These buckets, in any order. Throws invalid_argument if there is none, one is below 1 or above
   * 2^20, or one comes twice.
   */
  explicit bucket_policy(std::vector<std::int32_t> buckets);

  /** 1, 2, 4, ... and `max_batch`, which need not be a power of two. */
  static bucket_policy powers_of_two(std::int32_t max_batch);

  /** 1, 2, 4, then 8 to 128 by 8, then by 64, and `max_batch`: what serving engines capture. */
  static bucket_policy serving(std::int32_t max_batch);

  /** Ascending; at least one. */
  [[nodiscard]] std::span<const std::int32_t> buckets() const noexcept { return buckets_; }
  /** The largest bucket. */
  [[nodiscard]] std::int32_t max_batch() const noexcept { return buckets_.back(); }

  /**
   * Index into `buckets()` of the smallest one that holds `batch` sequences: one table look-up.
   * Throws invalid_argument unless 1 <= batch <= max_batch().
   */
  [[nodiscard]] std::int32_t index_for(std::int32_t batch) const;
  /** The smallest bucket that holds `batch`. Throws as `index_for`. */
  [[nodiscard]] std::int32_t bucket_for(std::int32_t batch) const {
    return buckets_[static_cast<std::size_t>(index_for(batch))];
  }

  bool operator==(const bucket_policy&) const = default;

 private:
  std::vector<std::int32_t> buckets_;
  std::vector<std::int32_t> index_of_batch_;
};

}  // namespace ssugraph
