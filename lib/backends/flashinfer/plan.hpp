#pragma once

#include "lib/backends/flashinfer/specialization.hpp"

#include <ssugraph/ssu.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace ssugraph::detail {

inline constexpr const char* flashinfer_name = "flashinfer";

inline constexpr std::array flashinfer_algorithms{
    flashinfer_algorithm::simple, flashinfer_algorithm::vertical, flashinfer_algorithm::horizontal};

[[nodiscard]] std::string_view name_of(flashinfer_algorithm algorithm) noexcept;

/** What FlashInfer asks of a device before it chooses. */
struct flashinfer_device {
  int multiprocessors = 0;
  int major = 0;  ///< of the compute capability
};

/**
 * The plan of a problem that is served; asks no device. Throws unsupported if `algorithm` is
 * unknown or cannot do it.
 */
[[nodiscard]] ssu_plan flashinfer_plan(const ssu_problem& problem, std::int64_t sequences,
                                       const std::string& algorithm,
                                       const flashinfer_device& device);

}  // namespace ssugraph::detail
