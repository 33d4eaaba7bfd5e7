/**
 * bf16 state stored with stochastic rounding, reproducibly: the random state of a lane, a seed and
 * the index of the next draw, is all that the rounding depends on.
 */
#include "toy.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>

namespace {

constexpr std::int32_t batch = 5;

/** Two layers, their states and one lane. */
class decoder {
 public:
  decoder() {
    for (std::int32_t i = 0; i < batch; ++i)
      slot_of_[i] = i + 1;  // slot 0 is nobody's
  }

  /** Decodes a token of each sequence; its inputs are a function of `step` alone. */
  void decode(std::uint32_t step) {
    x_.fill(-1, 1, step);
    lane_.replay(batch, stream_.get());
    stream_.wait();
  }

  /** A step that stands for a whole decode: four tokens from zeroed states. */
  toy::array<float> decode_from(ssugraph::random_state random) {
    for (toy::layer* layer : {&first_, &second_})
      layer->state.clear();
    lane_.set_random_state(random, stream_.get());
    for (std::uint32_t step = 1; step <= 4; ++step)
      decode(step);
    return second_.state.copy();
  }

  [[nodiscard]] const toy::layer& first() const { return first_; }
  [[nodiscard]] const toy::layer& second() const { return second_; }
  [[nodiscard]] ssugraph::lane& lane() { return lane_; }
  [[nodiscard]] const toy::stream& stream() const { return stream_; }

 private:
  toy::array<float> x_{toy::rows};
  toy::array<std::int32_t> slot_of_{toy::max_batch};
  toy::layer first_{x_, slot_of_, 10};
  toy::layer second_{first_.out, slot_of_, 20};
  toy::stream stream_;
  ssugraph::lane lane_ =
      ssugraph::pipeline_builder{
          {.stochastic_rounding = true}, ssugraph::bucket_policy{{toy::max_batch}}, toy::where()}
          .ssu("first", first_.args)
          .ssu("second", second_.args)
          .build()
          .make_lane(stream_.get());
};

void run() {
  decoder model;

  const toy::array<float> once = model.decode_from({.seed = 7});
  toy::expect(model.lane().random_state() == ssugraph::random_state{.seed = 7, .next_draw = 8},
              "four steps of two layers drew eight seeds");
  toy::expect(toy::same_bits(once, model.decode_from({.seed = 7})), "same seed, same bits");
  toy::expect(!toy::same_bits(once, model.decode_from({.seed = 8})), "other seed, other bits");

  // Saved with the states, the random state lets a decode go on elsewhere as if it had stayed.
  model.decode_from({.seed = 7});
  const ssugraph::random_state saved = model.lane().random_state();
  const toy::array<float> first_state = model.first().state.copy();
  const toy::array<float> second_state = model.second().state.copy();
  model.decode(5);
  const toy::array<float> stayed = model.second().state.copy();
  model.first().state.assign(first_state);
  model.second().state.assign(second_state);
  model.lane().set_random_state(saved, model.stream().get());
  model.decode(5);
  toy::expect(toy::same_bits(stayed, model.second().state), "a restored decode goes on the same");

  // Seeds are known beforehand: of two layers, the first takes draw 2n in step n. An eager call
  // that is given that draw rounds by the same bits.
  const toy::array<float> replayed = model.first().state.copy();
  model.first().state.assign(first_state);
  toy::array<std::int64_t> seed{1};
  seed[0] = ssugraph::seed_draw(saved.seed, saved.next_draw);
  ssugraph::ssu_args args = model.first().args;
  args.rand_seed = {seed.data(), ssugraph::dtype::int64, {1}};
  ssugraph::ssu_dispatch{{.backend = toy::backend(), .stochastic_rounding = true}}
      .selective_state_update(args, model.stream().get());
  model.stream().wait();
  toy::expect(toy::same_bits(replayed, model.first().state), "an eager call with the same seed");
}

}  // namespace

int main() {
  try {
    run();
    std::cout << "stochastic_rounding: the same seeds give the same bits\n";
  } catch (const std::exception& error) {
    std::cerr << "stochastic_rounding: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
