#include "lib/ssu/planned_ssu.hpp"

#include "lib/ssu/operands.hpp"

namespace ssugraph::detail {
namespace {

/** `2x8x1`. */
std::string by_axis(const std::array<std::int64_t, 3>& extents) {
  std::string text;
  for (const std::int64_t extent : extents)
    text += (text.empty() ? "" : "x") + std::to_string(extent);
  return text;
}

}  // namespace

plan_fields planned_ssu::fields() const {
  return {{"bucket", plan_.sequences},
          {"backend", plan_.backend},
          {"algorithm", plan_.algorithm},
          {"tile_rows", std::int64_t{plan_.tile.rows}},
          {"lanes_a_row", std::int64_t{plan_.tile.lanes}},
          {"threads", std::int64_t{plan_.tile.threads}},
          {"grid", by_axis(plan_.grid)},
          {"zeroes_null_rows", plan_.zeroes_null_rows},
          {"contract_bits", plan_.contract_bits},
          {"notes", plan_.notes}};
}

void planned_ssu::enqueue(std::span<const tensor_view> tensors, stream_handle stream) const {
  enqueue(arguments(tensors), 0, stream);
}

ssu_args planned_ssu::arguments(std::span<const tensor_view> tensors) const {
  ssu_args scalars;
  scalars.dt_softplus = plan_.problem.dt_softplus;
  scalars.null_block_id = plan_.problem.null_block_id;
  scalars.max_seqlen = plan_.problem.max_seqlen;
  return with_tensors(scalars, tensors);
}

}  // namespace ssugraph::detail
