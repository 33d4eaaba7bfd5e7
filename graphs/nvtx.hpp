#pragma once

#include <cstdint>

#if SSUGRAPH_NVTX
#include <nvtx3/nvtx3.hpp>
#endif

namespace ssugraph::detail {

#if SSUGRAPH_NVTX

struct nvtx_domain {
  static constexpr const char* name = "ssugraph";
};

/** A range on the calling thread, in the domain `ssugraph`, with a number for a payload. */
class nvtx_range {
 public:
  nvtx_range(const char* name, std::int64_t payload)
      : range_{nvtx3::v1::event_attributes{name, nvtx3::v1::payload{payload}}} {}

 private:
  nvtx3::v1::scoped_range_in<nvtx_domain> range_;
};

#else

struct nvtx_range {
  nvtx_range(const char*, std::int64_t) noexcept {}
};

#endif

}  // namespace ssugraph::detail
