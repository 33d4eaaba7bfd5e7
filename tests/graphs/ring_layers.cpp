#include "tests/graphs/ring_layers.hpp"

#include "lib/ops/ssu/problem/operands.hpp"

#include <algorithm>

namespace ssugraph::test {
namespace {

constexpr std::int64_t nheads = 2;
constexpr std::int64_t dim = 4;
constexpr std::int64_t dstate = 4;

std::size_t offset_of(const tensor_view& tensor, const placed_memory& memory) {
  return static_cast<std::size_t>(static_cast<const std::byte*>(tensor.data()) - memory.data());
}

}  // namespace

ring_layers::ring_layers(target where, const ring_spec& spec) : spec_{spec}, where_{where} {
  arena_layout layout;
  const std::int64_t rows = spec.sequences * spec.max_seqlen;
  ssu_args shared;
  if (spec.has_indices) {
    shared.state_batch_indices =
        spec.index_columns == 0
            ? layout.add(spec.index_dtype, {spec.sequences})
            : layout.add(spec.index_dtype, {spec.sequences, spec.index_columns});
  }
  if (spec.has_bounds()) shared.cu_seqlens = layout.add(spec.index_dtype, {spec.sequences + 1});
  if (spec.has_accepted)
    shared.num_accepted_tokens = layout.add(spec.index_dtype, {spec.sequences});
  if (spec.has_plan) {
    shared.ring_plan = layout.add(dtype::int32, {spec.sequences, 8});
  } else {
    shared.ring_cursor = layout.add(dtype::int32, {spec.slots, 4});
  }
  if (spec.has_key) shared.rounding_key = layout.add(dtype::int64, {spec.slots});
  shared.null_block_id = spec.null_block_id;
  shared.max_seqlen = spec.max_seqlen;
  shared.checkpoint_interval = spec.interval;
  for (std::size_t layer = 0; layer < spec.layers; ++layer) {
    ssu_args args = shared;
    args.state = layout.add(dtype::bfloat16, {spec.slots, nheads, dim, dstate});
    args.x = layout.add(dtype::bfloat16, {rows, nheads, dim});
    args.dt = layout.add(dtype::float32, {rows, nheads, dim}, {nheads, 1, 0});
    args.A = layout.add(dtype::float32, {nheads, dim, dstate}, {1, 0, 0});
    args.B = layout.add(dtype::bfloat16, {rows, 1, dstate});
    args.C = layout.add(dtype::bfloat16, {rows, 1, dstate});
    args.out = layout.add(dtype::bfloat16, {rows, nheads, dim});
    args.x_ring = layout.add(dtype::bfloat16, {spec.slots, nheads, spec.ring_rows(), dim});
    args.B_ring = layout.add(dtype::bfloat16, {spec.slots, 1, spec.ring_rows(), dstate});
    args.dt_ring = layout.add(dtype::float32, {spec.slots, nheads, spec.ring_rows()});
    args_.push_back(args);
  }
  memory_.emplace(place_of(where), layout.bytes());
  for (ssu_args& args : args_) {
    for (const detail::ssu_operand& each : detail::ssu_operands) {
      tensor_view& tensor = args.*each.member;
      if (tensor)
        tensor = tensor.at(memory_->data() + reinterpret_cast<std::uintptr_t>(tensor.data()));
    }
  }
}

void ring_layers::add_to(pipeline_builder& builder) const {
  for (std::size_t layer = 0; layer < args_.size(); ++layer)
    builder.ssu(name_of(layer), args_[layer]);
}

void ring_layers::write(const tensor_view& tensor, std::span<const std::int64_t> values) {
  const auto copy = [&](const auto& typed) {
    memory_->write(offset_of(tensor, *memory_), std::as_bytes(std::span{typed}));
  };
  if (tensor.dtype() == dtype::int64) return copy(values);
  copy(std::vector<std::int32_t>(values.begin(), values.end()));
}

std::vector<std::int64_t> ring_layers::read(const tensor_view& tensor) const {
  const auto copy = [&]<class Integer>(Integer) {
    std::vector<Integer> typed(static_cast<std::size_t>(tensor.size()));
    memory_->read(offset_of(tensor, *memory_), std::as_writable_bytes(std::span{typed}));
    return std::vector<std::int64_t>(typed.begin(), typed.end());
  };
  return tensor.dtype() == dtype::int64 ? copy(std::int64_t{}) : copy(std::int32_t{});
}

void ring_layers::write_cursor(std::int64_t slot, const ring_cursor& cursor) {
  const std::size_t first = offset_of(args().ring_cursor, *memory_);
  memory_->write(first + static_cast<std::size_t>(slot) * sizeof cursor,
                 std::as_bytes(std::span{&cursor, 1}));
}

std::vector<ring_cursor> ring_layers::cursors() const {
  std::vector<ring_cursor> all(static_cast<std::size_t>(spec_.slots));
  memory_->read(offset_of(args().ring_cursor, *memory_), std::as_writable_bytes(std::span{all}));
  return all;
}

plan_sight::plan_sight(target where, std::int64_t sequences)
    : where_{where},
      memory_{place_of(where), static_cast<std::size_t>(sequences) * sizeof(ring_plan_row)} {}

std::vector<ring_plan_row> plan_sight::seen() const {
  std::vector<ring_plan_row> rows(memory_.size() / sizeof(ring_plan_row));
  memory_.read(0, std::as_writable_bytes(std::span{rows}));
  return rows;
}

step_function plan_sight::step() {
  return [to = memory_.data(), where = where_](const step_context& context, stream_handle stream) {
    const auto bytes = static_cast<std::size_t>(context.bucket) * sizeof(ring_plan_row);
    enqueue_copy(place_of(where), to, context.ring_plan.data(), bytes, stream);
  };
}

}  // namespace ssugraph::test
