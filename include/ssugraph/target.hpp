#pragma once

/** @file
 *  Where a pipeline runs. */

#include <ssugraph/export.hpp>

#include <cstdint>

namespace ssugraph {

/** Where a pipeline runs. The host records the same steps, buckets, padding and seeds, and replays
 *  them by the reference backend. It is only ever chosen by name. */
enum class target : std::uint8_t { cuda, host };

}  // namespace ssugraph
