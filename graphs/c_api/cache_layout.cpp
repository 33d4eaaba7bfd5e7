#include "graphs/c_api/status.hpp"
#include "graphs/c_api/tensors.hpp"
#include "graphs/c_api/values.hpp"

#include <ssugraph/cache_layout.hpp>
#include <ssugraph/error.hpp>

#include <algorithm>
#include <cstdint>
#include <string>

using namespace ssugraph;
using namespace ssugraph::c_api;

namespace {

std::int64_t value_or(std::int64_t given, std::int64_t otherwise) {
  return given == 0 ? otherwise : given;
}

dtype dtype_or_default(const char* name, DLDataType given, const char* dtypes) {
  const bool is_zero = given.code == 0 && given.bits == 0 && given.lanes == 0;
  return is_zero ? dtype::bfloat16 : dtype_of(name, given, dtypes);
}

cache_layout layout_of(const ssugraph_cache_sizes* given) {
  const ssugraph_cache_sizes known = required("sizes", given);
  check_reserved("sizes.reserved", known.reserved);
  const cache_sizes sizes{
      .nheads = known.nheads,
      .dim = known.dim,
      .dstate = known.dstate,
      .ngroups = value_or(known.ngroups, 1),
      .state_dtype = dtype_or_default("sizes.state_dtype", known.state_dtype, state_dtypes),
      .x_dtype = dtype_or_default("sizes.x_dtype", known.x_dtype, floating_dtypes),
      .B_dtype = dtype_or_default("sizes.B_dtype", known.B_dtype, floating_dtypes),
      .checkpoint_interval = known.checkpoint_interval,
      .max_seqlen = value_or(known.max_seqlen, 1)};
  return cache_layout::of(sizes, {.layers = value_or(known.layers, 1),
                                  .slot_alignment = value_or(known.slot_alignment, 256),
                                  .ring_rows = known.ring_rows});
}

/** Of a pool at address 0 without slots. */
ssugraph_cache_part part_of(const tensor_view& view) {
  ssugraph_cache_part part{};
  if (!view) return part;
  part.offset = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(view.data()));
  std::ranges::copy(view.extents(), part.shape);
  std::ranges::copy(view.strides(), part.strides);
  part.ndim = view.rank();
  part.dtype = dlpack_of(view.dtype());
  return part;
}

}  // namespace

ssugraph_status ssugraph_lay_out_cache(const ssugraph_cache_sizes* sizes,
                                       ssugraph_cache_layout* layout) {
  return guarded([&] {
    const cache_layout found = layout_of(sizes);
    const cache_view first = found.view(nullptr, 0);
    ssugraph_cache_layout known{};
    known.slot_bytes = found.slot_bytes();
    known.layer_bytes = found.state_bytes() + found.ring_bytes();
    known.ring_rows = found.ring_rows();
    known.state = part_of(first.state);
    known.state_scale = part_of(first.state_scale);
    known.x_ring = part_of(first.x_ring);
    known.B_ring = part_of(first.B_ring);
    known.dt_ring = part_of(first.dt_ring);
    write_struct("layout", layout, &known, sizeof known);
  });
}
