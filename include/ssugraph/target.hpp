#pragma once

#include <ssugraph/export.hpp>

#include <cstdint>

/** @file
 *  Where a pipeline runs. */
namespace ssugraph {

/** Where a pipeline runs. The host records the same steps, buckets, padding and seeds, and replays
 *  them by the reference backend. It is only ever chosen by name. */
enum class target : std::uint8_t { cuda, host };

}  // namespace ssugraph
