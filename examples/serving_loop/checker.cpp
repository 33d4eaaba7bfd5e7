#include "checker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <future>
#include <numeric>
#include <string>
#include <thread>

namespace serving_loop {
namespace {

using ssugraph::dtype;

/** Sums that differ in their last bits round apart once in some thousand times; another seed makes
 *  a third of all elements differ. */
constexpr double most_rounded_apart = 0.05;

/** FlashInfer rounds fp16 by other bits than the contract's and makes zero of subnormals. There a
 *  result two steps away is right (one for the bits, one where the sums lie on either side of a
 *  number), and so is a zero up to 2^-14 and the tolerance. */
bool rounds_its_own_way(const ssugraph::mamba_config& config) {
  return config.backend == "flashinfer" && config.stochastic_rounding;
}

std::string place(const sequence& running, std::int64_t layer) {
  return fmt::format("request {} at position {}, layer {}, slot {}", running.request,
                     running.position, layer, running.first_slot);
}

check_errors larger(const check_errors& a, const check_errors& b) {
  return {std::max(a.state, b.state), std::max(a.out, b.out), std::max(a.rounding, b.rounding)};
}

/** Runs `check(layer)` for all layers on all cores. Throws what the first one to fail threw. */
template <class Check>
check_errors check_layers(std::int32_t layers, Check check) {
  const auto workers =
      std::clamp(static_cast<std::int32_t>(std::thread::hardware_concurrency()), 1, layers);
  std::vector<std::future<check_errors>> parts;
  parts.reserve(static_cast<std::size_t>(workers));
  for (std::int32_t worker = 0; worker < workers; ++worker) {
    parts.push_back(std::async(std::launch::async, [=] {
      check_errors worst;
      for (std::int32_t layer = worker; layer < layers; layer += workers) {
        worst = larger(worst, check(layer));
      }
      return worst;
    }));
  }
  check_errors worst;
  for (auto& part : parts)
    worst = larger(worst, part.get());
  return worst;
}

}  // namespace

checker::checker(machine& on, const workload& work, const ssugraph::mamba_config& config,
                 std::uint64_t seed, std::span<const std::int32_t> requests)
    : machine_{&on},
      work_{&work},
      seed_{seed},
      own_rounding_{rounds_its_own_way(config)},
      reference_{{.backend = "reference",
                  .stochastic_rounding = config.stochastic_rounding,
                  .philox_rounds = config.philox_rounds}} {
  const served_shape& shape = work.shape();
  const model& model = shape.model;
  const auto values = [&](std::int64_t width) {
    return std::vector<std::uint16_t>(static_cast<std::size_t>(shape.tokens * width));
  };
  for (std::int32_t layer = 0; layer < model.layers; ++layer) {
    layers_.push_back({.weights = make_weights(model, layer),
                       .state = allocate_host(std::size_t(shape.slots() * model.slot_bytes())),
                       .conv = values(model.conv_width()),
                       .dt = values(model.dt_width()),
                       .z = values(model.z_width()),
                       .out = values(model.inner())});
  }
  const auto bytes = std::size_t(model.slot_bytes() * model.layers * shape.tokens);
  for (const std::int32_t request : requests) {
    followed_.push_back({.request = request,
                         .before = std::vector<std::byte>(bytes),
                         .after = std::vector<std::byte>(bytes),
                         .out = values(model.layers * model.inner())});
  }
}

checker::followed* checker::find(const sequence& running) {
  const auto found = std::ranges::find(followed_, running.request, &followed::request);
  return found == followed_.end() ? nullptr : &*found;
}

std::int64_t checker::slot_bytes() const {
  return work_->shape().tokens * work_->shape().model.slot_bytes();
}

void checker::copy_slots(const sequence& running, std::vector<std::byte>& to) {
  const std::int64_t first = running.first_slot * work_->shape().model.slot_bytes();
  for (std::int32_t layer = 0; layer < work_->shape().model.layers; ++layer) {
    machine_->copy(to.data() + layer * slot_bytes(), work_->layer(layer).state + first,
                   std::size_t(slot_bytes()));
  }
}

void checker::before(std::span<const sequence> running) {
  for (const sequence& each : running) {
    followed* request = find(each);
    if (request == nullptr) continue;
    copy_slots(each, request->before);
    machine_->synchronize();
    if (std::memcmp(request->before.data(), request->after.data(), request->after.size()) != 0) {
      fail_untouched(*request, each);
    }
  }
}

void checker::fail_untouched(const followed& request, const sequence& running) const {
  const auto [now, was] = std::ranges::mismatch(request.before, request.after);
  const std::int64_t byte = now - request.before.begin();
  throw check_failure{fmt::format(
      "{}: byte {} of its state is {:#04x} before the step, but was {:#04x} after the step before",
      place(running, byte / slot_bytes()), byte % slot_bytes(), std::to_integer<int>(*now),
      std::to_integer<int>(*was))};
}

void checker::after(std::span<const sequence> running, std::uint64_t first_draw) {
  const served_shape& shape = work_->shape();
  const auto out_values = static_cast<std::size_t>(shape.tokens * shape.model.inner());

  for (std::size_t row = 0; row < running.size(); ++row) {
    followed* request = find(running[row]);
    if (request == nullptr) continue;
    copy_slots(running[row], request->after);
    for (std::int32_t layer = 0; layer < shape.model.layers; ++layer) {
      machine_->copy(request->out.data() + layer * out_values,
                     work_->layer(layer).out + row * out_values,
                     out_values * sizeof(std::uint16_t));
    }
    machine_->synchronize();

    const check_errors here = check_layers(shape.model.layers, [&](std::int32_t layer) {
      run_reference(layer, *request, running[row], first_draw + std::uint64_t(layer));
      return check_layer(layer, *request, running[row]);
    });
    worst_ = larger(worst_, here);
    ++steps_;
  }
}

void checker::run_reference(std::int32_t layer, const followed& request, const sequence& running,
                            std::uint64_t draw) {
  const served_shape& shape = work_->shape();
  reference_layer& own = layers_[layer];
  std::memcpy(own.state.get() + running.first_slot * shape.model.slot_bytes(),
              request.before.data() + layer * slot_bytes(), std::size_t(slot_bytes()));
  make_inputs({.conv = own.conv.data(),
               .dt = own.dt.data(),
               .z = own.z.data(),
               .conv_width = std::int32_t(shape.model.conv_width()),
               .dt_width = std::int32_t(shape.model.dt_width()),
               .z_width = std::int32_t(shape.model.z_width()),
               .first_layer = layer,
               .layers = 1,
               .layer_rows = shape.tokens,
               .requests = &running.request,
               .positions = &running.position,
               .sequences = 1,
               .tokens = shape.tokens});

  std::vector<std::int32_t> slots(shape.tokens);
  std::iota(slots.begin(), slots.end(), running.first_slot);
  const std::array<std::int32_t, 2> cu_seqlens{0, shape.tokens};
  const std::int64_t seed = ssugraph::seed_draw(seed_, draw);
  ssugraph::ssu_args args = make_args(shape, 1,
                                      {.state = own.state.get(),
                                       .conv = own.conv.data(),
                                       .dt = own.dt.data(),
                                       .z = own.z.data(),
                                       .out = own.out.data(),
                                       .A = own.weights.A.data(),
                                       .D = own.weights.D.data(),
                                       .dt_bias = own.weights.dt_bias.data(),
                                       .slots = slots.data(),
                                       .accepted = &running.accepted,
                                       .cu_seqlens = cu_seqlens.data()});
  if (reference_.config().stochastic_rounding) args.rand_seed = {&seed, dtype::int64, {1}};
  reference_.selective_state_update(args, nullptr);
}

difference checker::compare_slot(const std::string& where, const std::byte* got,
                                 const std::byte* want) const {
  const model& model = work_->shape().model;
  const auto numbers = [&](const std::byte* slot) {
    stored_numbers stored{slot};
    if (is_scaled(model.state_dtype)) {
      stored.scales = reinterpret_cast<const float*>(slot + model.state_bytes());
      stored.row = static_cast<std::size_t>(model.dstate);
    }
    return stored;
  };
  return compare(where + ", state", numbers(got), numbers(want), model.state_dtype,
                 static_cast<std::size_t>(model.slot_elements()), own_rounding_);
}

check_errors checker::check_layer(std::int32_t layer, const followed& request,
                                  const sequence& running) const {
  const served_shape& shape = work_->shape();
  const reference_layer& own = layers_[layer];
  const std::string where = place(running, layer);
  difference state;
  for (std::int32_t token = 0; token < shape.tokens; ++token) {
    const std::int64_t slot = token * shape.model.slot_bytes();
    const difference one =
        compare_slot(where, request.after.data() + layer * slot_bytes() + slot,
                     own.state.get() + running.first_slot * shape.model.slot_bytes() + slot);
    state = {std::max(state.error, one.error), std::max(state.elements, one.elements)};
  }
  const difference out = compare(where + ", out", {request.out.data() + layer * own.out.size()},
                                 {own.out.data()}, dtype::bfloat16, own.out.size());

  const bool rounding = reference_.config().stochastic_rounding;
  if (rounding && !own_rounding_ && state.elements > most_rounded_apart) {
    throw check_failure{
        fmt::format("{}, state: {:.1f}% of the elements were not rounded by the "
                    "bits of the step's seed; {:.1f}% are tolerated",
                    where, 100 * state.elements, 100 * most_rounded_apart)};
  }
  return {state.error, out.error, rounding ? state.elements : 0};
}

}  // namespace serving_loop
