#include "checks.hpp"

#include "oracle.hpp"
#include "written.hpp"

#include <ssugraph/random.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace decode_block {
namespace {

constexpr double element_tolerance = 1.0 / 64;
constexpr double rms_tolerance = 1.0 / 128;

/** What runs in a step. */
struct step_input {
  std::vector<std::int32_t> slots;   ///< of each sequence
  std::vector<std::int32_t> tokens;  ///< of each sequence
  [[nodiscard]] std::int32_t batch() const { return static_cast<std::int32_t>(slots.size()); }
};

/** Every bucket full, then every bucket padded if it can be, each time with other sequences. */
std::vector<step_input> make_steps(std::span<const std::int32_t> buckets) {
  std::vector<std::int32_t> batches{buckets.begin(), buckets.end()};
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    const std::int32_t fewest = i == 0 ? 1 : buckets[i - 1] + 1;
    batches.push_back(std::max(fewest, buckets[i] - 1));
  }
  std::mt19937_64 random{7};
  std::uniform_int_distribution<std::int32_t> any_token{0, vocabulary - 1};
  std::vector<std::int32_t> slots(buckets.back());
  std::iota(slots.begin(), slots.end(), 1);
  std::vector<step_input> steps;
  for (const std::int32_t batch : batches) {
    std::ranges::shuffle(slots, random);
    step_input made{{slots.begin(), slots.begin() + batch}, {}};
    std::generate_n(std::back_inserter(made.tokens), batch, [&] { return any_token(random); });
    steps.push_back(std::move(made));
  }
  return steps;
}

bool same_bits(const std::vector<bf16>& a, const std::vector<bf16>& b) {
  return std::ranges::equal(a, b, {}, __bfloat16_as_ushort, __bfloat16_as_ushort);
}

std::vector<float> to_floats(const std::vector<bf16>& values) {
  std::vector<float> floats(values.size());
  std::ranges::transform(values, floats.begin(), __bfloat162float);
  return floats;
}

/** The residual stream of one sequence, and its states behind what runs. */
struct sequence_memory {
  sequence_values<float> values;
  std::vector<float> units;  ///< of the state
};

/** Of one sequence in front of a layer, or behind it. */
sequence_memory values_of(const model_weights& weights, const decode_memory& memory,
                          std::size_t layer, std::size_t stream_index, std::int64_t row,
                          std::int64_t slot, cudaStream_t stream) {
  const model& model = weights.model;
  const layer_state& state = memory.states[layer];
  const std::int64_t width = model.d_model;
  state_values ssm = read_state(model, state, slot, stream);
  if (model.checkpoint > 0)
    add_ring(model, weights.layers[layer].A, memory, layer, slot, ssm.values, stream);
  return {{to_floats(download(memory.residual[stream_index], row * width, width, stream)),
           to_floats(download(state.conv, slot * model.conv_slot(), model.conv_slot(), stream)),
           std::move(ssm.values)},
          std::move(ssm.units)};
}

template <class T>
double root_mean_square(const std::vector<T>& values) {
  const double squares =
      std::transform_reduce(values.begin(), values.end(), 0.0, std::plus{},
                            [](T value) { return double{value} * double{value}; });
  return values.empty() ? 0 : std::sqrt(squares / double(values.size()));
}

/** Beside the tolerances, an element may be off by its unit, where there are units. Throws
 *  check_failure if an error is too large. */
void compare_with_cpu(const std::vector<float>& got, const std::vector<double>& want,
                      std::string_view where, check_result& result,
                      const std::vector<float>& units = {}) {
  const double rms = root_mean_square(want);
  std::vector<double> errors(want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    errors[i] = std::abs(double{got[i]} - want[i]);
    const double unit = units.empty() ? 0 : double{units[i]};
    const double share = errors[i] / (element_tolerance * (std::abs(want[i]) + rms) + unit);
    if (!(share <= 1)) {  // a NaN is an error, too
      throw check_failure{
          fmt::format("{}, element {}: {}, the CPU has {}; {:.3g} times the error tolerated", where,
                      i, got[i], want[i], share)};
    }
    result.worst_element = std::max(result.worst_element, share);
  }
  const double share = root_mean_square(errors) / (rms_tolerance * rms + root_mean_square(units));
  if (!(share <= 1)) {
    throw check_failure{
        fmt::format("{}: in root mean square {:.3g} times the error tolerated", where, share)};
  }
  result.worst_rms = std::max(result.worst_rms, share);
}

/** Some sequences of one step, followed through it. */
class followed_sequences {
 public:
  followed_sequences(const decode_memory& memory, const model_weights& weights,
                     const step_input& step, std::int32_t count, cudaStream_t stream)
      : memory_{memory},
        weights_{weights},
        step_{step},
        count_{std::min(count, step.batch())},
        stream_{stream} {}

  [[nodiscard]] std::int32_t count() const { return count_; }

  /** In front of the step: keeps their states. */
  void before() {
    for_each([&](std::size_t layer, std::int64_t row, std::int64_t slot) {
      states_.push_back(values_of(weights_, memory_, layer, layer, row, slot, stream_).values);
    });
  }

  /** Behind it. Throws check_failure. */
  void after(check_result& result) {
    check_embedding();
    auto before = states_.begin();
    std::size_t weights_layer = 0;
    host_weights weights{weights_.layers.front(), stream_};
    for_each([&](std::size_t layer, std::int64_t row, std::int64_t slot) {
      if (layer != weights_layer) weights = host_weights{weights_.layers[layer], stream_};
      weights_layer = layer;
      const model& model = weights_.model;
      // The stream in front of a layer is known now only.
      before->residual =
          to_floats(download(memory_.residual[layer], row * model.d_model, model.d_model, stream_));
      const auto want = evaluate_layer(model, weights, *before++);
      const auto [got, units] = values_of(weights_, memory_, layer, layer + 1, row, slot, stream_);
      const std::string where = fmt::format("layer {}, row {}, slot {}", layer, row, slot);
      compare_with_cpu(got.residual, want.residual, where + ", residual stream behind it", result);
      compare_with_cpu(got.conv_state, want.conv_state, where + ", conv state", result);
      compare_with_cpu(got.ssm_state, want.ssm_state, where + ", state", result, units);
    });
    result.sequences = count_;
  }

 private:
  /** Calls `visit(layer, row, slot)`, layer by layer, for rows spread over the batch. */
  template <class Visit>
  void for_each(Visit visit) const {
    for (std::size_t layer = 0; layer < memory_.states.size(); ++layer) {
      for (std::int64_t i = 0; i < count_; ++i) {
        const std::int64_t row = i * step_.batch() / count_;
        visit(layer, row, step_.slots[row]);
      }
    }
  }

  void check_embedding() const {
    const std::int64_t width = weights_.model.d_model;
    for (std::int64_t row = 0; row < step_.batch(); ++row) {
      const auto got = download(memory_.residual.front(), row * width, width, stream_);
      const auto want = download(weights_.embedding, step_.tokens[row] * width, width, stream_);
      if (!same_bits(got, want))
        throw check_failure{fmt::format("row {} is not the embedding of its token", row)};
    }
  }

  const decode_memory& memory_;
  const model_weights& weights_;
  const step_input& step_;
  std::int32_t count_;
  cudaStream_t stream_;
  std::vector<sequence_values<float>> states_;
};

}  // namespace

check_result check_decoder(ssugraph::lane& decoder, const model_weights& weights,
                           const decode_memory& memory, std::span<const std::int32_t> buckets,
                           std::int32_t sequences, cudaStream_t stream) {
  const model& model = weights.model;
  const decode_memory copy{model, memory.max_batch, stream};
  const auto arrays = written_arrays(model, memory);
  const auto copies = written_arrays(model, copy);
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    check(cudaMemcpyAsync(copies[i].data.data(), arrays[i].data.data(), arrays[i].data.size(),
                          cudaMemcpyDeviceToDevice, stream),
          "cudaMemcpyAsync on the device");
  }
  const idle_slots idle{memory, stream};
  const std::vector<step_input> steps = make_steps(buckets);
  check_result result;
  for (const step_input& step : steps) {
    upload(memory.slot_of, step.slots, stream);
    upload(memory.tokens, step.tokens, stream);
    const bool is_last = &step == &steps.back();
    followed_sequences followed{memory, weights, step, is_last ? sequences : 0, stream};
    followed.before();

    const ssugraph::random_state random = decoder.random_state();
    decoder.replay(step.batch(), stream);
    for (std::size_t i = 0; i < arrays.size(); ++i)
      swap_contents(arrays[i].data, copies[i].data, stream);
    decoder.set_random_state(random, stream);
    decoder.run_eager(step.batch(), stream);
    compare_copies(arrays, copies, fmt::format("step {} of batch {}", result.steps, step.batch()),
                   stream);
    ++result.steps;
    if (followed.count() > 0) followed.after(result);
  }
  idle.check_untouched();
  return result;
}

}  // namespace decode_block
