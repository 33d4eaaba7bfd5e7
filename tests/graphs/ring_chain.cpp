#include "tests/graphs/ring_chain.hpp"

#include "tests/support/float_format.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>

namespace ssugraph::test {
namespace {

constexpr std::int64_t nheads = 2;
constexpr std::int64_t dim = 16;
constexpr std::int64_t dstate = 32;
constexpr std::int64_t ring_rows = ring_chain::interval + 2 * ring_chain::most_tokens - 1;

void fill_rows(const tensor_view& tensor, std::int64_t rows, double low, double high,
               random_engine& engine) {
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t i = 0; i < tensor.extent(1); ++i) {
      for (std::int64_t j = 0; j < tensor.extent(2); ++j)
        store(address_of(tensor, row, i, j), tensor.dtype(), uniform(engine, low, high));
    }
  }
}

void store_at(const tensor_view& tensor, std::size_t i, std::int64_t value) {
  if (tensor) store_index(address_of(tensor, i), tensor.dtype(), value);
}

void zero(const tensor_view& dense) {
  std::memset(dense.data(), 0, static_cast<std::size_t>(dense.size() * size_of(dense.dtype())));
}

ssu_args as_it_is(const ssu_args& args) {
  return args;
}

ssu_args of_one_token(const ssu_args& args) {
  ssu_args plain = args;
  plain.cu_seqlens = {};
  plain.max_seqlen = 1;
  for (const auto member :
       {&ssu_args::x, &ssu_args::dt, &ssu_args::B, &ssu_args::C, &ssu_args::out}) {
    const tensor_view& rows = args.*member;
    const std::vector<std::int64_t> extents{ring_chain::most_sequences, rows.extent(1),
                                            rows.extent(2)};
    plain.*member = tensor_view{rows.data(), rows.dtype(), std::span{extents}, rows.strides()};
  }
  return plain;
}

}  // namespace

ring_chain::ring_chain(const chain_spec& spec, random_engine& engine) : spec_{spec} {
  add_inputs();
  input_bytes_ = layout_.bytes();
  add_rest();
  fill(engine);
}

void ring_chain::add_inputs() {
  const std::int64_t rows = most_sequences * spec_.max_seqlen;
  ssu_args shared;
  shared.checkpoint_interval = interval;
  shared.max_seqlen = spec_.max_seqlen;
  shared.state_batch_indices = layout_.add(dtype::int32, {most_sequences});
  if (spec_.max_seqlen > 1) shared.cu_seqlens = layout_.add(dtype::int32, {most_sequences + 1});
  if (spec_.has_accepted) shared.num_accepted_tokens = layout_.add(dtype::int32, {most_sequences});
  args_.assign(layers, shared);
  for (ssu_args& args : args_) {
    args.x = layout_.add(spec_.io, {rows, nheads, dim});
    args.dt = layout_.add(dtype::float32, {rows, nheads, dim}, {nheads, 1, 0});
    args.B = layout_.add(spec_.io, {rows, 1, dstate});
    args.C = layout_.add(spec_.io, {rows, 1, dstate});
  }
}

void ring_chain::add_rest() {
  const tensor_view cursor = layout_.add(dtype::int32, {slots, 4});
  for (ssu_args& args : args_) {
    args.ring_cursor = cursor;
    args.A = layout_.add(dtype::float32, {nheads, dim, dstate}, {1, 0, 0});
    args.out = layout_.add(spec_.io, {args.x.extent(0), nheads, dim});
    args.state = layout_.add(spec_.state, {slots, nheads, dim, dstate});
    if (spec_.state == dtype::int8)
      args.state_scale = layout_.add(dtype::float32, {slots, nheads, dim});
    args.x_ring = layout_.add(spec_.io, {slots, nheads, ring_rows, dim});
    args.B_ring = layout_.add(spec_.io, {slots, 1, ring_rows, dstate});
    args.dt_ring = layout_.add(dtype::float32, {slots, nheads, ring_rows});
  }
  for (std::size_t layer = 1; spec_.chained && layer < layers; ++layer)
    args_[layer].x = args_[layer - 1].out;
}

void ring_chain::fill(random_engine& engine) {
  memory_ = arena{layout_.bytes()};
  for (std::size_t layer = 0; layer < layers; ++layer) {
    const ssu_args placed = args(layer, memory_.data());
    fill_rows(placed.A, nheads, -1.5, -0.1, engine);
    fill_states(placed.state, placed.state_scale, engine);
    zero(placed.out);
    zero(placed.ring_cursor);
  }
}

arena ring_chain::inputs(const chain_batch& batch, random_engine& engine) const {
  arena fresh{input_bytes_};
  const ssu_args shared = args(0, fresh.data());
  std::int64_t rows = 0;
  store_at(shared.cu_seqlens, 0, 0);
  for (std::size_t i = 0; i < batch.slots.size(); ++i) {
    rows += batch.lengths[i];
    store_at(shared.state_batch_indices, i, batch.slots[i]);
    store_at(shared.num_accepted_tokens, i, batch.accepted[i]);
    store_at(shared.cu_seqlens, i + 1, rows);
  }
  for (std::size_t layer = 0; layer < layers; ++layer) {
    const ssu_args placed = args(layer, fresh.data());
    if (layer == 0 || !spec_.chained) fill_rows(placed.x, rows, -2, 2, engine);
    fill_rows(placed.dt, rows, 0.05, 0.5, engine);
    fill_rows(placed.B, rows, -1, 1, engine);
    fill_rows(placed.C, rows, -0.5, 0.5, engine);
  }
  return fresh;
}

pipeline ring_chain::build(target where, std::byte* base) const {
  return build(where, base, as_it_is);
}

pipeline ring_chain::build_plain(target where, std::byte* base) const {
  return build(where, base, of_one_token);
}

pipeline ring_chain::build(target where, std::byte* base,
                           ssu_args (*as_bound)(const ssu_args&)) const {
  const mamba_config config{.stochastic_rounding = spec_.state != dtype::float32};
  pipeline_builder builder{config, bucket_policy{{small_bucket, most_sequences}}, where};
  for (std::size_t layer = 0; layer < layers; ++layer)
    builder.ssu("layer" + std::to_string(layer), as_bound(args(layer, base)));
  return builder.build();
}

std::string ring_chain::name_at(std::size_t offset) const {
  std::map<std::size_t, std::string> names{{0, "nothing"}};
  const auto add = [&](std::size_t layer, const auto& tensors) {
    for (const named_tensor& each : tensors) {
      const tensor_view& tensor = args_[layer].*each.member;
      const auto first = reinterpret_cast<std::uintptr_t>(tensor.data());
      if (tensor) names.try_emplace(first, "layer" + std::to_string(layer) + "." + each.name);
    }
  };
  for (std::size_t layer = 0; layer < layers; ++layer) {
    add(layer, ssu_tensors);
    add(layer, ring_tensors);
  }
  return std::prev(names.upper_bound(offset))->second;
}

chain_batch random_chain_batch(std::int64_t max_seqlen, std::int64_t most_accepted,
                               random_engine& engine) {
  std::vector<std::int64_t> order;
  for (std::int64_t slot = 1; slot < ring_chain::slots; ++slot)
    order.push_back(slot);
  std::ranges::shuffle(order, engine);
  order.resize(static_cast<std::size_t>(pick(engine, 1, ring_chain::most_sequences)));
  chain_batch batch;
  for (const std::int64_t slot : order) {
    batch.slots.push_back(chance(engine, 0.1) ? 0 : slot);
    batch.lengths.push_back(max_seqlen == 1 ? 1 : pick(engine, 0, max_seqlen));
    batch.accepted.push_back(pick(engine, 0, most_accepted));
  }
  return batch;
}

}  // namespace ssugraph::test
