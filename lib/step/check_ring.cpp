#include "lib/step/check_ring.hpp"

#include "lib/step/ring.hpp"

#include <ssugraph/error.hpp>

#include <cstdint>
#include <limits>

namespace ssugraph::detail {

void check_ring_interval(std::int64_t interval, std::int64_t max_seqlen) {
  if (max_seqlen < 1 || max_seqlen > max_ring_tokens) {
    throw invalid_argument{"max_seqlen", "1 to " + std::to_string(max_ring_tokens) + " with rings",
                           std::to_string(max_seqlen)};
  }
  if (interval >= max_seqlen && interval <= max_checkpoint_interval) return;
  throw invalid_argument{
      "checkpoint_interval",
      "T = " + std::to_string(max_seqlen) + " to " + std::to_string(max_checkpoint_interval),
      std::to_string(interval)};
}

void check_ring_length(const std::string& name, std::int64_t ring_rows, std::int64_t interval,
                       std::int64_t max_seqlen) {
  const std::int64_t least = interval > 0 ? interval + 2 * max_seqlen - 1 : max_seqlen;
  if (ring_rows >= least && ring_rows <= max_ring_rows) return;
  throw invalid_argument{name,
                         "R of " + std::to_string(least) +
                             (interval > 0 ? " (W + 2T - 1)" : " (T)") + " to " +
                             std::to_string(max_ring_rows),
                         std::to_string(ring_rows)};
}

void check_ring_rows(const std::string& name, const tensor_view& rows, std::int64_t entries,
                     std::int64_t columns) {
  constexpr std::int64_t unit = 16;
  const bool has_shape = rows.rank() == 2 && rows.extent(0) >= entries && rows.extent(1) == columns;
  if (!has_shape) {
    throw invalid_argument{
        name, "shape (" + std::to_string(entries) + ", " + std::to_string(columns) + ")",
        to_string(rows)};
  }
  // The stride along one entry may be any number.
  const bool is_aligned =
      reinterpret_cast<std::uintptr_t>(rows.data()) % unit == 0 &&
      (rows.extent(0) == 1 || rows.stride(0) * size_of(rows.dtype()) % unit == 0);
  if (rows.stride(1) == 1 && is_aligned) return;
  throw invalid_argument{name, "dense rows, each at a multiple of 16 bytes", to_string(rows)};
}

void check_ring_slots(const std::string& name, const tensor_view& tensor) {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  if (tensor.extent(0) <= most) return;
  throw invalid_argument{name, "at most 2^31 - 1 slots, which plans number in 32 bits",
                         to_string(tensor)};
}

}  // namespace ssugraph::detail
