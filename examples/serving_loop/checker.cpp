#include "checker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <future>
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

/** Of the largest magnitude: what `out` may lose where decays and dt meet tensor cores, in as many
 *  bits as the format of the state has. */
double ring_share(dtype state) {
  switch (state) {
    case dtype::float32:
    case dtype::float16:
    case dtype::int16:
      return 1e-4;
    case dtype::bfloat16:
    case dtype::int8:
    case dtype::float8_e4m3:
      return 1.0 / 128;
    case dtype::int32:
    case dtype::int64:
      break;
  }
  throw std::invalid_argument{"no state of " + std::string{to_string(state)}};
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
      rounding_{config.stochastic_rounding},
      own_rounding_{rounds_its_own_way(config)},
      again_{work.shape(), config, seed} {
  const served_shape& shape = work.shape();
  const auto bytes = std::size_t(slot_bytes() * shape.model.layers);
  const auto values = std::size_t(shape.model.inner() * shape.model.layers * shape.tokens);
  for (const std::int32_t request : requests) {
    followed_.push_back({.request = request,
                         .before = std::vector<std::byte>(bytes),
                         .after = std::vector<std::byte>(bytes),
                         .out = std::vector<std::uint16_t>(values)});
  }
}

checker::followed* checker::find(const sequence& running) {
  const auto found = std::ranges::find(followed_, running.request, &followed::request);
  return found == followed_.end() ? nullptr : &*found;
}

std::int64_t checker::slot_bytes() const {
  return work_->shape().slots_a_sequence() * work_->shape().model.slot_bytes();
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
      again_.run(layer, request->before.data() + layer * slot_bytes(), running[row],
                 first_draw + std::uint64_t(layer));
      return check_layer(layer, *request, running[row]);
    });
    worst_ = larger(worst_, here);
    ++steps_;
  }
}

void checker::require_unchanged(const std::string& where, const followed& request,
                                std::int32_t layer) const {
  const auto slots = [&](const std::vector<std::byte>& all) {
    return std::span{all}.subspan(std::size_t(layer * slot_bytes()), std::size_t(slot_bytes()));
  };
  const auto [was, now] = std::ranges::mismatch(slots(request.before), slots(request.after));
  if (was == slots(request.before).end()) return;
  throw check_failure{fmt::format(
      "{}, state, byte {}: got {:#04x}, was {:#04x} before the step, which stores no checkpoint",
      where, was - slots(request.before).begin(), std::to_integer<int>(*now),
      std::to_integer<int>(*was))};
}

tolerance checker::state_tolerance() const {
  if (work_->shape().checkpoint == 0)
    return own_rounding_ ? tolerance{.units = 2, .zeroes_subnormals = true} : tolerance{};
  return {.units = 2};
}

tolerance checker::out_tolerance() const {
  if (work_->shape().checkpoint == 0) return {};
  return {.share = ring_share(work_->shape().model.state_dtype)};
}

difference checker::compare_slot(const std::string& where, const std::byte* got,
                                 const std::byte* want, const tolerance& allowed) const {
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
                 static_cast<std::size_t>(model.slot_elements()), allowed);
}

check_errors checker::check_layer(std::int32_t layer, const followed& request,
                                  const sequence& running) const {
  const served_shape& shape = work_->shape();
  const std::string where = place(running, layer);
  const tolerance allowed = state_tolerance();
  if (shape.checkpoint > 0 && shape.ring_of(running).stored == 0)
    require_unchanged(where, request, layer);
  difference state;
  for (std::int32_t i = 0; i < shape.slots_a_sequence(); ++i) {
    const std::int64_t slot = i * shape.model.slot_bytes();
    const difference one = compare_slot(where, request.after.data() + layer * slot_bytes() + slot,
                                        again_.slots(layer, running) + slot, allowed);
    state = {std::max(state.error, one.error), std::max(state.elements, one.elements)};
  }
  const auto out_values = static_cast<std::size_t>(shape.tokens * shape.model.inner());
  const difference out =
      compare(where + ", out", {request.out.data() + layer * out_values},
              {again_.out(layer, running)}, dtype::bfloat16, out_values, out_tolerance());

  // Without rings a state is rounded by other counters.
  const bool same_bits = rounding_ && shape.checkpoint == 0;
  if (same_bits && !own_rounding_ && state.elements > most_rounded_apart) {
    throw check_failure{
        fmt::format("{}, state: {:.1f}% of the elements were not rounded by the "
                    "bits of the step's seed; {:.1f}% are tolerated",
                    where, 100 * state.elements, 100 * most_rounded_apart)};
  }
  return {state.error, out.error, same_bits ? state.elements : 0};
}

}  // namespace serving_loop
