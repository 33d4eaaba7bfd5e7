#pragma once

#include <ssugraph/device.hpp>

#include <compare>
#include <string>

namespace ssugraph::detail {

/** What measurements belong to beside the problem. */
struct tuning_machine {
  std::string gpu;
  std::string driver;
  std::string library;

  auto operator<=>(const tuning_machine&) const = default;
};

/** GPU, driver and library version. Throws cuda_error. */
[[nodiscard]] tuning_machine machine_of(device where);

}  // namespace ssugraph::detail
