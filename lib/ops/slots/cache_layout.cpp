#include "lib/core/alignment.hpp"
#include "lib/core/reach.hpp"
#include "lib/step/check_ring.hpp"

#include <ssugraph/byte_range.hpp>
#include <ssugraph/cache_layout.hpp>
#include <ssugraph/error.hpp>

#include <array>
#include <cstddef>
#include <limits>
#include <span>
#include <string>

namespace ssugraph {
namespace {

constexpr std::int64_t slot_unit = 256;  ///< bytes, as allocators align
constexpr std::int64_t part_unit = 128;  ///< bytes: a line of the L2
constexpr std::int64_t row_unit = 16;    ///< bytes: the widest access
constexpr std::int64_t most_of_row = 256;
constexpr std::int64_t most_rows = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t most_layers = 4096;

void check_range(const char* name, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value >= least && value <= most) return;
  throw invalid_argument{name, std::to_string(least) + " to " + std::to_string(most),
                         std::to_string(value)};
}

void check_floating(const char* name, dtype type) {
  if (is_floating(type)) return;
  throw invalid_argument{name, "float32, float16 or bfloat16", std::string{to_string(type)}};
}

/** So that no product of them overflows. */
void check_sizes(const cache_sizes& sizes) {
  check_range("nheads", sizes.nheads, 1, most_rows);
  check_range("dim", sizes.dim, 1, most_rows / sizes.nheads);
  check_range("dstate", sizes.dstate, 1, most_of_row);
  check_range("ngroups", sizes.ngroups, 1, sizes.nheads);
  if (sizes.nheads % sizes.ngroups != 0) {
    throw invalid_argument{"ngroups", "a divisor of nheads = " + std::to_string(sizes.nheads),
                           std::to_string(sizes.ngroups)};
  }
  if (!is_state_format(sizes.state_dtype)) {
    throw invalid_argument{"state_dtype", "a dtype that states are stored in",
                           std::string{to_string(sizes.state_dtype)}};
  }
  check_floating("x_dtype", sizes.x_dtype);
  check_floating("B_dtype", sizes.B_dtype);
}

/** R, checked; 0 without rings. */
std::int64_t ring_rows_of(const cache_sizes& sizes, std::int64_t given) {
  if (sizes.checkpoint_interval == 0) {
    if (given == 0) return 0;
    throw invalid_argument{"ring_rows", "0, for checkpoint_interval is 0", std::to_string(given)};
  }
  detail::check_ring_interval(sizes.checkpoint_interval, sizes.max_seqlen);
  const std::int64_t rows =
      given == 0 ? sizes.checkpoint_interval + 2 * sizes.max_seqlen - 1 : given;
  detail::check_ring_length("ring_rows", rows, sizes.checkpoint_interval, sizes.max_seqlen);
  return rows;
}

/** Elements from row to row of so many. */
std::int64_t pitch_of(std::int64_t elements, dtype type) {
  return detail::aligned(elements * size_of(type), row_unit) / size_of(type);
}

/** A part of a slot: `outer` times `rows` rows of `elements`, a row `pitch` elements long. */
tensor_view part(std::uintptr_t address, dtype type, std::int64_t slots, std::int64_t slot_bytes,
                 const std::array<std::int64_t, 3>& extents, std::int64_t pitch) {
  const std::array<std::int64_t, 4> all{slots, extents[0], extents[1], extents[2]};
  const std::array<std::int64_t, 4> strides{slot_bytes / size_of(type), extents[1] * pitch, pitch,
                                            1};
  return {reinterpret_cast<const void*>(address), type, all, strides};
}

/** The same of `rows` rows. */
tensor_view part(std::uintptr_t address, std::int64_t slots, std::int64_t slot_bytes,
                 std::int64_t rows, std::int64_t elements, std::int64_t pitch) {
  const dtype type = dtype::float32;
  return {reinterpret_cast<const void*>(address),
          type,
          {slots, rows, elements},
          {slot_bytes / size_of(type), pitch, 1}};
}

}  // namespace

cache_layout cache_layout::of(const cache_sizes& sizes, const cache_layout_options& options) {
  check_sizes(sizes);
  check_range("layers", options.layers, 1, most_layers);
  if (options.slot_alignment < slot_unit || options.slot_alignment % slot_unit != 0 ||
      options.slot_alignment > most_rows) {
    throw invalid_argument{"slot_alignment", "a multiple of 256 bytes, below 2^31",
                           std::to_string(options.slot_alignment)};
  }
  cache_layout layout;
  layout.sizes_ = sizes;
  layout.layers_ = options.layers;
  layout.ring_rows_ = ring_rows_of(sizes, options.ring_rows);
  const std::int64_t rows = sizes.nheads * sizes.dim;
  const std::int64_t ring = layout.ring_rows_;
  const auto behind = [](std::int64_t begin, std::int64_t elements, dtype type) {
    return detail::aligned(begin + elements * size_of(type), part_unit);
  };
  layout.scale_offset_ = behind(0, rows * sizes.dstate, sizes.state_dtype);
  layout.x_offset_ =
      behind(layout.scale_offset_, is_scaled(sizes.state_dtype) ? rows : 0, dtype::float32);
  layout.b_offset_ = behind(
      layout.x_offset_, sizes.nheads * ring * pitch_of(sizes.dim, sizes.x_dtype), sizes.x_dtype);
  layout.dt_offset_ =
      behind(layout.b_offset_, sizes.ngroups * ring * pitch_of(sizes.dstate, sizes.B_dtype),
             sizes.B_dtype);
  layout.layer_bytes_ =
      behind(layout.dt_offset_, sizes.nheads * pitch_of(ring, dtype::float32), dtype::float32);
  layout.slot_bytes_ =
      detail::aligned(options.layers * layout.layer_bytes_, options.slot_alignment);
  return layout;
}

cache_view cache_layout::view(const void* pool, std::int64_t slots, std::int64_t layer) const {
  const auto address = reinterpret_cast<std::uintptr_t>(pool);
  if (address % slot_unit != 0)
    throw invalid_argument{"pool", "a multiple of 256", std::to_string(address)};
  check_range("slots", slots, 0, detail::address_limit / slot_bytes_);
  check_range("layer", layer, 0, layers_ - 1);
  detail::check_reach("pool", byte_range{pool, static_cast<std::size_t>(slots * slot_bytes_)});
  const auto at = [&](std::int64_t begin) {
    return address + static_cast<std::uintptr_t>(layer * layer_bytes_ + begin);
  };
  const cache_sizes& of = sizes_;
  cache_view cache;
  cache.state =
      part(at(0), of.state_dtype, slots, slot_bytes_, {of.nheads, of.dim, of.dstate}, of.dstate);
  if (is_scaled(of.state_dtype))
    cache.state_scale = part(at(scale_offset_), slots, slot_bytes_, of.nheads, of.dim, of.dim);
  if (ring_rows_ == 0) return cache;
  cache.x_ring = part(at(x_offset_), of.x_dtype, slots, slot_bytes_,
                      {of.nheads, ring_rows_, of.dim}, pitch_of(of.dim, of.x_dtype));
  cache.B_ring = part(at(b_offset_), of.B_dtype, slots, slot_bytes_,
                      {of.ngroups, ring_rows_, of.dstate}, pitch_of(of.dstate, of.B_dtype));
  cache.dt_ring = part(at(dt_offset_), slots, slot_bytes_, of.nheads, ring_rows_,
                       pitch_of(ring_rows_, dtype::float32));
  return cache;
}

}  // namespace ssugraph
