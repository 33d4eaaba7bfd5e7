#include "graphs/plan/scratch_layout.hpp"

#include "lib/core/alignment.hpp"
#include "lib/core/reach.hpp"

#include <ssugraph/tensor_layout.hpp>

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace ssugraph::detail {
namespace {

constexpr std::size_t alignment = 256;
/** Bytes between two visits of a slot, in sizes of the L2 cache. */
constexpr std::int64_t caches_between_visits = 3;

/** `tensor` as scratch has it, of whose first axis each launch takes a part: no part is aligned
 * less than a plan may rely on. The stride along one entry says nothing, and may be anything. */
tensor_view evenly_spaced(const tensor_view& tensor) {
  constexpr std::int64_t unit = tensor_layout::max_alignment;
  constexpr std::int64_t least = 16;  // nobody relies on less
  const std::int64_t size = size_of(tensor.dtype());
  const bool is_alone = tensor.extent(0) == 1;
  std::int64_t bytes = is_alone ? static_cast<std::int64_t>(reach_of(tensor).bytes)
                                : std::abs(tensor.stride(0)) * size;
  if (!is_alone && bytes % least != 0) return tensor;
  bytes = aligned(bytes, unit);
  std::vector<std::int64_t> strides(tensor.strides().begin(), tensor.strides().end());
  strides.front() = (tensor.stride(0) < 0 ? -bytes : bytes) / size;
  return {tensor.data(), tensor.dtype(), tensor.extents(), strides};
}

/** Hands out places of one allocation; first without memory, to learn how much it takes. */
class placer {
 public:
  explicit placer(std::byte* base) : base_{reinterpret_cast<std::uintptr_t>(base)} {}

  tensor_view place(const tensor_view& like) {
    const auto [lowest, bytes] = reach_of(like);
    const auto before_first =
        reinterpret_cast<std::uintptr_t>(like.data()) - reinterpret_cast<std::uintptr_t>(lowest);
    const auto* first = reinterpret_cast<const void*>(base_ + used_ + before_first);
    used_ += aligned(bytes, alignment);
    return like.at(first);
  }
  [[nodiscard]] std::size_t used() const noexcept { return used_; }

 private:
  std::uintptr_t base_;  // an address, for there may be no memory yet
  std::size_t used_ = 0;
};

/** A tensor with its first axis from `first` on, `count` entries long. */
tensor_view part_of(const tensor_view& tensor, std::int64_t first, std::int64_t count) {
  const std::int64_t offset = first * tensor.stride(0) * size_of(tensor.dtype());
  return tensor.at(static_cast<std::byte*>(tensor.data()) + offset).with_extent(0, count);
}

slot_rotation rotation_of(const step_traits& traits, std::int64_t cache_bytes) {
  const sequence_rule& rule = traits.sequences;
  slot_rotation rotation;
  rotation.bytes_between_visits = caches_between_visits * cache_bytes;
  rotation.slots_a_sequence = stores_every_token(rule) ? rule.max_seqlen : 1;
  rotation.slot_bytes = 0;
  for (std::size_t i = 0; i < traits.operands.size(); ++i) {
    if (traits.operands[i].leading != first_axis::slots || !traits.tensors[i]) continue;
    const tensor_view tensor = evenly_spaced(traits.tensors[i]);
    rotation.slot_bytes += std::abs(tensor.stride(0)) * size_of(tensor.dtype());
  }
  rotation.slot_bytes = std::max<std::int64_t>(rotation.slot_bytes, 1);
  return rotation;
}

/** Those that the step is bound for. */
std::int64_t sequences_of(const step_traits& traits) {
  const std::size_t bounds = find_operand(traits.operands, operand_role::bounds);
  const bool bounded = bounds < traits.tensors.size() && traits.tensors[bounds];
  return bounded ? traits.tensors[bounds].extent(0) - 1 : traits.sequences.rows;
}

}  // namespace

scratch_layout::scratch_layout(const step_traits& traits, std::int64_t cache_bytes)
    : traits_{traits}, rotation_{rotation_of(traits, cache_bytes)} {}

std::int64_t scratch_layout::rows_of(std::int64_t sequences) const {
  return std::min(sequences * rows_a_sequence(traits_.sequences), traits_.sequences.rows);
}

std::int64_t scratch_layout::most_sequences_in(std::size_t budget) const {
  // Asked first, for slots may be so far apart that their bytes are no number.
  const std::int64_t most_slots = static_cast<std::int64_t>(budget) / rotation_.slot_bytes;
  const auto is_too_large = [&](std::int64_t sequences) {
    return sequences > most_slots / rotation_.slots_a_sequence || bytes_for(sequences) > budget;
  };
  std::int64_t most = sequences_of(traits_);
  while (most > 0 && is_too_large(most))
    most /= 2;
  return most;
}

std::pair<bound_tensors, std::size_t> scratch_layout::placed(std::int64_t sequences,
                                                             std::byte* base) const {
  placer places{base};
  bound_tensors scratch = as_launched(traits_, sequences);
  for (std::size_t i = 0; i < scratch.size(); ++i) {
    tensor_view& tensor = scratch[i];
    const operand& what = traits_.operands[i];
    if (!tensor) continue;
    if (what.leading == first_axis::slots || what.leading == first_axis::rows)
      tensor = evenly_spaced(tensor);
    if (what.role == operand_role::source_slots || what.role == operand_role::destination_slots)
      tensor = {nullptr, tensor.dtype(), {sequences, rotation_.slots_a_sequence}};
    const std::int64_t otherwise =
        what.leading == first_axis::slots ? rotation_.slots_up_to(sequences) : tensor.extent(0);
    tensor = places.place(
        tensor.with_extent(0, entries_of(what, sequences, rows_of(sequences), otherwise)));
  }
  return {scratch, places.used()};
}

std::size_t scratch_layout::bytes_for(std::int64_t sequences) const {
  return placed(sequences, nullptr).second;
}

bound_tensors scratch_layout::of_launch(bound_tensors tensors, std::int64_t launch,
                                        std::int64_t sequences) const {
  const std::int64_t rows = rows_of(sequences);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    tensor_view& tensor = tensors[i];
    if (!tensor) continue;
    switch (traits_.operands[i].leading) {
      case first_axis::slots:
        tensor = part_of(tensor, rotation_.first_slot(launch, sequences, tensor.extent(0)),
                         rotation_.slots_of(sequences));
        break;
      case first_axis::rows:
        // Of their own, too: what a launch reads must not be in the cache for the one before it.
        tensor = part_of(tensor, launch % (tensor.extent(0) / rows) * rows, rows);
        break;
      case first_axis::sequences:
        tensor = tensor.with_extent(0, sequences);
        break;
      case first_axis::boundaries:
        tensor = tensor.with_extent(0, sequences + 1);
        break;
      case first_axis::none:
        break;
    }
  }
  return tensors;
}

}  // namespace ssugraph::detail
