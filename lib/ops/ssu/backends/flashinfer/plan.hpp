#pragma once

#include "lib/ops/ssu/backends/flashinfer/specialization.hpp"

#include <ssugraph/ssu_plan.hpp>
#include <ssugraph/ssu_problem.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace ssugraph::detail::flashinfer {

inline constexpr const char* flashinfer_name = "flashinfer";

inline constexpr std::array flashinfer_algorithms{
    flashinfer_algorithm::simple, flashinfer_algorithm::vertical, flashinfer_algorithm::horizontal};

[[nodiscard]] std::string_view name_of(flashinfer_algorithm algorithm) noexcept;

/** What FlashInfer asks of a device before it chooses. */
struct flashinfer_device {
  int multiprocessors = 0;
  int major = 0;  ///< of the compute capability
};

/** An algorithm and why it is the one. */
struct flashinfer_choice {
  flashinfer_algorithm algorithm;
  std::string reason;
};

/** The algorithm called `name` for a problem that is served, or FlashInfer's own choice for `auto`;
 *  asks no device. Throws unsupported if it is unknown or cannot do it. */
[[nodiscard]] flashinfer_choice choose_algorithm(const ssu_problem& problem, std::int64_t sequences,
                                                 const std::string& name,
                                                 const flashinfer_device& device);

/** The plan by that choice. Throws unsupported for too many sequences. */
[[nodiscard]] ssu_plan flashinfer_plan(const ssu_problem& problem, std::int64_t sequences,
                                       const flashinfer_choice& choice,
                                       const flashinfer_device& device);

}  // namespace ssugraph::detail::flashinfer
