#include "recomputation.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

namespace serving_loop {
namespace {

using ssugraph::dtype;
using ssugraph::ssu_args;

}  // namespace

recomputation::recomputation(const served_shape& shape, const ssugraph::mamba_config& config,
                             std::uint64_t seed)
    : shape_{shape},
      seed_{seed},
      reference_{{.backend = "reference",
                  .stochastic_rounding = config.stochastic_rounding,
                  .philox_rounds = config.philox_rounds}} {
  const model& model = shape.model;
  const std::int64_t rows = std::max<std::int64_t>(shape.tokens, shape.ring_rows());
  const auto values = [&](std::int64_t width) {
    return std::vector<std::uint16_t>(static_cast<std::size_t>(rows * width));
  };
  for (std::int32_t layer = 0; layer < model.layers; ++layer) {
    layers_.push_back({.weights = make_weights(model, layer),
                       .state = allocate_host(std::size_t(shape.slots() * model.slot_bytes())),
                       .conv = values(model.conv_width()),
                       .dt = values(model.dt_width()),
                       .z = values(model.z_width()),
                       .out = values(model.inner())});
  }
}

void recomputation::run(std::int32_t layer, const std::byte* before, const sequence& running,
                        std::uint64_t draw) {
  reference_layer& own = layers_[layer];
  const std::int64_t seed = ssugraph::seed_draw(seed_, draw);
  const ring_tokens ring = shape_.ring_of(running);
  load(own, before, running);
  make_inputs_of(layer, running, running.position - ring.live, ring.live + shape_.tokens);
  if (shape_.checkpoint == 0) return step(own, running, seed);

  go_on(own, running, ring.live + shape_.tokens, seed);
  load(own, before, running);
  // No row of new tokens is among these.
  if (ring.stored > 0) go_on(own, running, ring.stored, seed);
}

void recomputation::load(reference_layer& own, const std::byte* before,
                         const sequence& running) const {
  const std::int64_t bytes = shape_.model.slot_bytes();
  std::memcpy(own.state.get() + running.first_slot * bytes, before,
              std::size_t(shape_.slots_a_sequence() * bytes));
}

void recomputation::make_inputs_of(std::int32_t layer, const sequence& running,
                                   std::int32_t first_position, std::int32_t tokens) {
  reference_layer& own = layers_[layer];
  make_inputs({.conv = own.conv.data(),
               .dt = own.dt.data(),
               .z = own.z.data(),
               .conv_width = std::int32_t(shape_.model.conv_width()),
               .dt_width = std::int32_t(shape_.model.dt_width()),
               .z_width = std::int32_t(shape_.model.z_width()),
               .first_layer = layer,
               .layers = 1,
               .layer_rows = tokens,
               .requests = &running.request,
               .positions = &first_position,
               .sequences = 1,
               .tokens = tokens});
}

layer_memory recomputation::memory_of(reference_layer& own) const {
  return {.state = own.state.get(),
          .conv = own.conv.data(),
          .dt = own.dt.data(),
          .z = own.z.data(),
          .out = own.out.data(),
          .A = own.weights.A.data(),
          .D = own.weights.D.data(),
          .dt_bias = own.weights.dt_bias.data()};
}

/** As the lane does it. */
void recomputation::step(reference_layer& own, const sequence& running, std::int64_t seed) {
  std::vector<std::int32_t> slots(shape_.tokens);
  std::iota(slots.begin(), slots.end(), running.first_slot);
  const std::array<std::int32_t, 2> cu_seqlens{0, shape_.tokens};
  layer_memory at = memory_of(own);
  at.slots = slots.data();
  at.accepted = &running.accepted;
  at.cu_seqlens = cu_seqlens.data();
  update(make_args(shape_, 1, at), seed);
}

/** By the first `tokens` of the inputs, as one sequence of so many. */
void recomputation::go_on(reference_layer& own, const sequence& running, std::int32_t tokens,
                          std::int64_t seed) {
  const served_shape plain{
      .model = shape_.model, .max_batch = shape_.max_batch, .tokens = 1, .speculative = false};
  const std::array<std::int32_t, 2> cu_seqlens{0, tokens};
  layer_memory at = memory_of(own);
  at.slots = &running.first_slot;
  ssu_args args = make_args(plain, tokens, at);
  args.state_batch_indices = {at.slots, dtype::int32, {1}};
  args.cu_seqlens = {cu_seqlens.data(), dtype::int32, {2}};
  args.max_seqlen = tokens;
  update(args, seed);
}

void recomputation::update(ssu_args args, std::int64_t seed) {
  if (reference_.config().stochastic_rounding) args.rand_seed = {&seed, dtype::int64, {1}};
  reference_.selective_state_update(args, nullptr);
}

const std::byte* recomputation::slots(std::int32_t layer, const sequence& running) const {
  return layers_[layer].state.get() + running.first_slot * shape_.model.slot_bytes();
}

const std::uint16_t* recomputation::out(std::int32_t layer, const sequence& running) const {
  return layers_[layer].out.data() + shape_.ring_of(running).live * shape_.model.inner();
}

}  // namespace serving_loop
