#pragma once

#include "profiling/timeline/events.hpp"

#include <cstdint>
#include <optional>

struct CUstream_st;

namespace ssugraph::timeline {

/** The clock of all events; 0 while nothing is traced. */
[[nodiscard]] std::uint64_t now() noexcept;
/** The calling thread, as the system numbers it. */
[[nodiscard]] std::uint32_t this_thread() noexcept;
void add_range(host_range range);
void name_stream(CUstream_st* stream, const char* name);

/** The live batch of the replay that the calling thread is in, by its NVTX range. */
[[nodiscard]] std::optional<std::int64_t> batch_of_this_thread() noexcept;

}  // namespace ssugraph::timeline
