#include "workload.hpp"

#include <ssugraph/error.hpp>
#include <ssugraph/reset_slots.hpp>

#include <fmt/format.h>

namespace serving_loop {
namespace {

using ssugraph::dtype;
using ssugraph::ssu_args;
using ssugraph::tensor_view;

constexpr auto activation = dtype::bfloat16;
constexpr auto weight = dtype::bfloat16;
constexpr auto index = dtype::int32;

/** A slot's elements lie one behind another, and behind them its scales, if it has any. */
tensor_view state_of(const model& model, std::int64_t slots, const layer_memory& at) {
  const std::int64_t stride = model.slot_bytes() / ssugraph::size_of(model.state_dtype);
  return {at.state,
          model.state_dtype,
          {slots, model.nheads, model.dim, model.dstate},
          {stride, model.dim * model.dstate, model.dstate, 1}};
}

tensor_view scales_of(const model& model, std::int64_t slots, const layer_memory& at) {
  if (!is_scaled(model.state_dtype)) return {};
  const std::int64_t stride = model.slot_bytes() / ssugraph::size_of(dtype::float32);
  return {at.state + model.state_bytes(),
          dtype::float32,
          {slots, model.nheads, model.dim},
          {stride, model.dim, 1}};
}

/** Mamba-2: one A, dt, D and dt_bias a head, spread over dim and dstate by strides of 0. */
void bind_mamba2(ssu_args& args, const served_shape& shape, std::int64_t rows,
                 const layer_memory& at) {
  const auto& [name, layers, nheads, dim, dstate, ngroups, state_dtype, mamba1] = shape.model;
  const std::int64_t conv = shape.model.conv_width();
  const std::uint16_t* B = at.conv + shape.model.inner();
  const std::uint16_t* C = B + ngroups * dstate;

  args.x = {at.conv, activation, {rows, nheads, dim}, {conv, dim, 1}};
  args.B = {B, activation, {rows, ngroups, dstate}, {conv, dstate, 1}};
  args.C = {C, activation, {rows, ngroups, dstate}, {conv, dstate, 1}};
  args.dt = {at.dt, activation, {rows, nheads, dim}, {nheads, 1, 0}};
  args.A = {at.A, dtype::float32, {nheads, dim, dstate}, {1, 0, 0}};
  args.D = {at.D, weight, {nheads, dim}, {1, 0}};
  args.dt_bias = {at.dt_bias, weight, {nheads, dim}, {1, 0}};
  args.out = {at.out, activation, {rows, nheads, dim}};
}

void bind_mamba1(ssu_args& args, const served_shape& shape, std::int64_t rows,
                 const layer_memory& at) {
  const std::int64_t dim = shape.model.dim;
  const std::int64_t dstate = shape.model.dstate;
  const std::int64_t conv = shape.model.conv_width();

  args.x = {at.conv, activation, {rows, dim}, {conv, 1}};
  args.B = {at.conv + dim, activation, {rows, dstate}, {conv, 1}};
  args.C = {at.conv + dim + dstate, activation, {rows, dstate}, {conv, 1}};
  args.dt = {at.dt, activation, {rows, dim}};
  args.A = {at.A, dtype::float32, {dim, dstate}};
  args.D = {at.D, weight, {dim}};
  args.z = {at.z, activation, {rows, dim}};
  args.dt_bias = {at.dt_bias, weight, {dim}};
  args.out = {at.out, activation, {rows, dim}};
}

constexpr std::int64_t cursor_columns = 4;

/** The checkpoint is a slot's state, the inputs since lie in rings; all layers share the cursor. */
void bind_rings(ssu_args& args, const served_shape& shape, const layer_memory& at) {
  const model& model = shape.model;
  const std::int64_t slots = shape.slots();
  const std::int64_t rows = shape.ring_rows();
  args.x_ring = {at.x_ring, activation, {slots, model.nheads, rows, model.dim}};
  args.B_ring = {at.B_ring, activation, {slots, model.ngroups, rows, model.dstate}};
  args.dt_ring = {at.dt_ring, dtype::float32, {slots, model.nheads, rows}};
  args.ring_cursor = {at.cursor, dtype::int32, {slots, cursor_columns}};
  args.checkpoint_interval = shape.checkpoint;
  args.max_seqlen = shape.tokens;
}

std::int64_t bytes_of(const served_shape& shape) {
  const model& model = shape.model;
  const std::int64_t row = model.conv_width() + model.dt_width() + model.z_width() + model.inner();
  const std::int64_t ring_row =
      (model.inner() + model.ngroups * model.dstate) * ssugraph::size_of(activation) +
      model.nheads * std::int64_t{sizeof(float)};
  return model.layers * (shape.slots() * (model.slot_bytes() + shape.ring_rows() * ring_row) +
                         shape.rows() * row * ssugraph::size_of(activation));
}

}  // namespace

ring_tokens served_shape::ring_of(const sequence& running) const {
  if (checkpoint == 0) return {};
  // A step stores what stands in front of it, as far as W divides it.
  const std::int32_t before = running.generated > 0 ? running.generated - running.accepted : 0;
  const std::int32_t live = running.generated - before / checkpoint * checkpoint;
  return {live, live >= checkpoint ? checkpoint : 0};
}

std::int64_t served_shape::state_traffic(const sequence& running) const {
  const std::int64_t written = checkpoint == 0 ? tokens : ring_of(running).stored > 0 ? 1 : 0;
  return (1 + written) * model.layers * model.slot_bytes();
}

layer_weights make_weights(const model& model, std::int32_t layer) {
  // No request has this number.
  const auto value = [&](std::int32_t tensor, std::int64_t element) {
    return input_value(-1, tensor, layer, static_cast<std::int32_t>(element));
  };
  layer_weights weights;
  // A in [-16, -1], as Mamba-2 starts from; Mamba-1 starts from -1, -2, .. along dstate.
  for (std::int64_t i = 0; i < model.dt_width(); ++i) {
    if (!model.mamba1) weights.A.push_back(-8.5F + 7.5F * value(0, i));
    for (std::int64_t n = 0; model.mamba1 && n < model.dstate; ++n) {
      weights.A.push_back(-static_cast<float>(n + 1));
    }
    weights.D.push_back(to_bfloat16(1 + value(1, i) / 2));
    // With dt in [-1, 1) the step sizes behind the softplus lie in 0.0009 .. 0.3.
    weights.dt_bias.push_back(to_bfloat16(-4 + 2 * value(2, i)));
  }
  return weights;
}

ssu_args make_args(const served_shape& shape, std::int64_t sequences, const layer_memory& at) {
  ssu_args args;
  const std::int64_t rows = sequences * shape.tokens;
  if (shape.model.mamba1) {
    bind_mamba1(args, shape, rows, at);
  } else {
    bind_mamba2(args, shape, rows, at);
  }
  if (shape.speculative) {
    args.state_batch_indices = {at.slots, index, {sequences, shape.slots_a_sequence()}};
    args.num_accepted_tokens = {at.accepted, index, {sequences}};
    args.cu_seqlens = {at.cu_seqlens, index, {sequences + 1}};
  } else {
    args.state_batch_indices = {at.slots, index, {sequences}};
  }
  args.state = state_of(shape.model, shape.slots(), at);
  args.state_scale = scales_of(shape.model, shape.slots(), at);
  args.dt_softplus = true;
  if (shape.checkpoint > 0) bind_rings(args, shape, at);
  return args;
}

workload::workload(machine& on, const served_shape& shape) : machine_{&on}, shape_{shape} {
  const auto gigabytes = [](auto bytes) { return fmt::format("{:.1f} GB", double(bytes) / 1e9); };
  if (const std::size_t free = on.free_bytes(); std::size_t(bytes_of(shape)) > free) {
    throw ssugraph::invalid_argument{
        fmt::format("--max-batch {}", shape.max_batch),
        fmt::format("tensors that fit into the {} free on {}", gigabytes(free), on.name()),
        gigabytes(bytes_of(shape))};
  }

  table_block_ = allocate<std::int32_t>(std::int64_t(step_tables::size(shape)));
  std::vector<std::int32_t> cu_seqlens;
  for (std::int32_t i = 0; i <= shape.max_batch; ++i)
    cu_seqlens.push_back(i * shape.tokens);
  cu_seqlens_ = allocate<std::int32_t>(std::ssize(cu_seqlens));
  on.copy(cu_seqlens_, cu_seqlens.data(), cu_seqlens.size() * sizeof(std::int32_t));

  if (shape.checkpoint > 0) cursor_ = allocate<std::int32_t>(shape.slots() * cursor_columns);

  const model& model = shape.model;
  const step_tables tables{table_block_, shape};
  const std::int64_t all_rows = model.layers * shape.rows();
  inputs_ = {.conv = allocate<std::uint16_t>(all_rows * model.conv_width()),
             .dt = allocate<std::uint16_t>(all_rows * model.dt_width()),
             .z = allocate<std::uint16_t>(all_rows * model.z_width()),
             .conv_width = std::int32_t(model.conv_width()),
             .dt_width = std::int32_t(model.dt_width()),
             .z_width = std::int32_t(model.z_width()),
             .first_layer = 0,
             .layers = model.layers,
             .layer_rows = shape.rows(),
             .requests = tables.requests,
             .positions = tables.positions,
             .sequences = 0,
             .tokens = shape.tokens};
  for (std::int32_t layer = 0; layer < model.layers; ++layer) {
    layers_.push_back(allocate_layer(layer));
    const ssu_args bound = args(layer);
    caches_.push_back({.state = bound.state,
                       .state_scale = bound.state_scale,
                       .x_ring = bound.x_ring,
                       .B_ring = bound.B_ring,
                       .dt_ring = bound.dt_ring,
                       .ring_cursor = bound.ring_cursor});
  }
  on.synchronize();
}

template <class T>
T* workload::allocate(std::int64_t count) {
  if (count == 0) return nullptr;
  owned_.push_back(machine_->allocate(std::size_t(count) * sizeof(T)));
  return reinterpret_cast<T*>(owned_.back().get());
}

template <class T>
const T* workload::upload(const std::vector<T>& values) {
  auto* data = allocate<T>(std::ssize(values));
  machine_->copy(data, values.data(), values.size() * sizeof(T));
  machine_->synchronize();
  return data;
}

layer_memory workload::allocate_layer(std::int32_t layer) {
  const model& model = shape_.model;
  const std::int64_t first_row = layer * shape_.rows();
  const step_tables tables{table_block_, shape_};
  const layer_weights weights = make_weights(model, layer);
  const std::int64_t ring_rows = shape_.slots() * shape_.ring_rows();
  return {.state = allocate<std::byte>(shape_.slots() * model.slot_bytes()),
          .conv = inputs_.conv + first_row * model.conv_width(),
          .dt = inputs_.dt + first_row * model.dt_width(),
          .z = inputs_.z + first_row * model.z_width(),
          .out = allocate<std::uint16_t>(shape_.rows() * model.inner()),
          .A = upload(weights.A),
          .D = upload(weights.D),
          .dt_bias = upload(weights.dt_bias),
          .slots = tables.slots,
          .accepted = tables.accepted,
          .cu_seqlens = cu_seqlens_,
          .x_ring = allocate<std::uint16_t>(ring_rows * model.inner()),
          .B_ring = allocate<std::uint16_t>(ring_rows * model.ngroups * model.dstate),
          .dt_ring = allocate<float>(ring_rows * model.nheads),
          .cursor = cursor_};
}

ssu_args workload::args(std::int32_t layer) const {
  return make_args(shape_, shape_.max_batch, layers_[layer]);
}

void workload::prepare(std::int32_t* staging, std::span<const sequence> running,
                       std::span<const sequence> started) {
  const step_tables host{staging, shape_};
  const std::int32_t slots = shape_.slots_a_sequence();
  for (std::size_t i = 0; i < running.size(); ++i) {
    for (std::int32_t slot = 0; slot < slots; ++slot) {
      host.slots[i * slots + slot] = running[i].first_slot + slot;
    }
    host.accepted[i] = running[i].accepted;
    host.requests[i] = running[i].request;
    host.positions[i] = running[i].position;
  }
  std::int64_t fresh = 0;
  for (const sequence& each : started) {
    for (std::int32_t slot = 0; slot < slots; ++slot) {
      host.fresh[fresh++] = each.first_slot + slot;
    }
  }
  machine_->copy(table_block_, staging, step_tables::size(shape_) * sizeof(std::int32_t));

  if (fresh > 0) {
    const step_tables tables{table_block_, shape_};
    ssugraph::reset_slots(caches_, tensor_view{tables.fresh, index, {fresh}}, machine_->stream());
  }
  inputs_.sequences = static_cast<std::int32_t>(running.size());
  machine_->make_inputs(inputs_);
}

}  // namespace serving_loop
