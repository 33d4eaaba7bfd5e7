#pragma once

#include "lib/core/host_device.hpp"

#include <bit>
#include <cstdint>

namespace ssugraph::detail {

/**
 * Division of numbers below 2^31 by one multiplication. Source: Granlund and Montgomery, "Division
 * by invariant integers using multiplication", PLDI 1994.
 */
class fast_divisor {
 public:
  fast_divisor() = default;
  /** `divisor` is from 1 to 2^31. */
  explicit fast_divisor(std::uint32_t divisor)
      : divisor_{divisor},
        shift_{31u + std::bit_width(divisor - 1)},
        multiplier_{static_cast<std::uint32_t>((std::uint64_t{1} << shift_) / divisor + 1)} {}

  [[nodiscard]] SSUGRAPH_HOST_DEVICE std::uint32_t quotient(std::uint32_t number) const {
    return static_cast<std::uint32_t>((std::uint64_t{number} * multiplier_) >> shift_);
  }
  [[nodiscard]] SSUGRAPH_HOST_DEVICE std::uint32_t divisor() const { return divisor_; }

 private:
  std::uint32_t divisor_;
  std::uint32_t shift_;
  std::uint32_t multiplier_;
};

}  // namespace ssugraph::detail
