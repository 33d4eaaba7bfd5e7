#pragma once

/** @file
 *  Where tensors live. */

#include <ssugraph/export.hpp>

namespace ssugraph {

/** Where tensors live: ordinal of a CUDA device, or host. */
struct device {
  int ordinal = host_ordinal;  ///< as CUDA counts

  static constexpr int host_ordinal = -1;  ///< no device of CUDA's
  /** The host. */
  static constexpr device host() noexcept { return {}; }
  /** True of the host. */
  [[nodiscard]] bool is_host() const noexcept { return ordinal == host_ordinal; }

  bool operator==(const device&) const = default;
};

/** True if this build has CUDA and a device is there. Begins the use of CUDA, so that no process
 *  forked later can use it: there this is false. */
[[nodiscard]] SSUGRAPH_EXPORT bool has_cuda_device() noexcept;

}  // namespace ssugraph
