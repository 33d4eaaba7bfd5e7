#include "lib/step/planned_step.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

namespace ssugraph::detail {
namespace {

/** No address, but aligned as memory of a lane is. */
const void* const somewhere_aligned = reinterpret_cast<const void*>(std::uintptr_t{256});

}  // namespace

tensor_view padded_copy(const operand& what, const tensor_view& source, const void* data,
                        std::int64_t sequences) {
  const std::int64_t entries = entries_of(what, sequences, 0, 0);
  switch (what.role) {
    case operand_role::source_slots:
      if (!source) return {data, dtype::int32, {entries}};
      [[fallthrough]];
    case operand_role::destination_slots:
      if (!source) return {};
      return {data, source.dtype(), {entries, source.rank() == 2 ? source.extent(1) : 1}};
    case operand_role::counts:
    case operand_role::bounds:
      return source ? tensor_view{data, source.dtype(), {entries}} : tensor_view{};
    case operand_role::ring_plan:
      return {data, dtype::int32, {entries, sizeof(ring_plan_row) / sizeof(std::int32_t)}};
    case operand_role::data:
    case operand_role::state:
    case operand_role::seed:
    case operand_role::ring_cursor:
    case operand_role::rounding_key:
      break;
  }
  return {};
}

index_tensor index_of(const tensor_view& tensor) {
  index_tensor index{.data = tensor.data(), .stride = {}, .wide = tensor.dtype() == dtype::int64};
  std::copy_n(tensor.strides().begin(), std::min<std::size_t>(tensor.strides().size(), 2),
              std::begin(index.stride));
  return index;
}

std::int64_t launched_null_block_id(std::span<const operand> operands,
                                    std::span<const tensor_view> tensors,
                                    std::int64_t null_block_id) {
  bool has_sources = false;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const bool is_source = operands[i].role == operand_role::source_slots;
    const bool names_slots = is_source || operands[i].role == operand_role::destination_slots;
    if (!names_slots || !tensors[i]) continue;
    has_sources = has_sources || is_source;
    const bool is_wide = tensors[i].dtype() == dtype::int64;
    if (!is_wide && !std::in_range<std::int32_t>(null_block_id)) return -1;
  }
  return has_sources ? null_block_id : -1;
}

bool has_rounding_key(const step_traits& step) {
  const std::size_t key = find_operand(step.operands, operand_role::rounding_key);
  return key < step.tensors.size() && step.tensors[key];
}

bound_tensors as_launched(const step_traits& step, std::int64_t sequences) {
  bound_tensors tensors = step.tensors;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const operand& what = step.operands[i];
    if (what.role == operand_role::ring_cursor) tensors[i] = {};  // the prologue's alone
    if (what.role == operand_role::ring_plan && !step.ring) continue;
    const tensor_view copy = padded_copy(what, tensors[i], somewhere_aligned, sequences);
    if (copy) tensors[i] = copy;
    if (what.role == operand_role::seed && step.draws_seed)
      tensors[i] = tensor_view{somewhere_aligned, dtype::int64, {1}};
  }
  return tensors;
}

}  // namespace ssugraph::detail
