/**
 * Two layers as one graph a bucket, replayed by changing batches: build, make a lane, replay. A
 * second lane of the same pipeline, bound to other memory, runs the oracle.
 */
#include "toy.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <utility>
#include <vector>

namespace {

using ssugraph::ssu_tensor;

/** A model's own tensors. The second layer reads what the first one writes. */
struct model {
  toy::array<float> x{toy::rows};
  toy::array<std::int32_t> slot_of{toy::max_batch};
  toy::layer first{x, slot_of, 10};
  toy::layer second{first.out, slot_of, 20};
};

/** One token more of `batch` sequences: their inputs, and the slots where their states are. */
void next_token(const model& m, std::int32_t batch, std::uint32_t step) {
  m.x.fill(-1, 1, step);
  for (std::int32_t i = 0; i < batch; ++i)
    m.slot_of[i] = toy::max_batch - i;  // down to 1: slot 0 is nobody's
}

/** Every address in which `other` differs from the model that the pipeline was built of. */
std::vector<ssugraph::binding> bindings_of(const model& other) {
  std::vector<ssugraph::binding> bindings;
  for (const auto& [name, layer] :
       {std::pair{"first", &other.first}, std::pair{"second", &other.second}}) {
    bindings.push_back({name, "state", layer->args.state.data()});
    bindings.push_back({name, "x", layer->args.x.data()});
    bindings.push_back({name, "out", layer->args.out.data()});
    bindings.push_back({name, "state_batch_indices", layer->args.state_batch_indices.data()});
  }
  return bindings;
}

void run() {
  const model served;
  const model checked;

  // Everything is validated and resolved here, once a bucket; replays only launch.
  ssugraph::pipeline_builder builder{
      {}, ssugraph::bucket_policy::powers_of_two(toy::max_batch), toy::where()};
  const ssugraph::pipeline pipeline =
      builder.ssu("first", served.first.args).ssu("second", served.second.args).build();
  std::cout << pipeline.describe();

  const toy::stream stream;
  const toy::stream other_stream;
  ssugraph::lane lane = pipeline.make_lane(stream.get());
  ssugraph::lane oracle = pipeline.make_lane(other_stream.get(), bindings_of(checked));

  std::uint32_t step = 0;
  for (const std::int32_t batch : {3, 8, 1, 5, 5, 2}) {
    ++step;
    next_token(served, batch, step);
    next_token(checked, batch, step);
    lane.replay(batch, stream.get());  // one launch of the smallest bucket that holds the batch
    oracle.run_eager(batch, other_stream.get());
    stream.wait();
    other_stream.wait();
    toy::expect(toy::same_bits(served.second.out, checked.second.out), "equal outputs");
    toy::expect(toy::same_bits(served.second.state, checked.second.state), "equal states");
    toy::expect(served.second.out[0] != 0, "outputs of live sequences");
  }
  const ssugraph::lane_stats stats = lane.stats();
  toy::expect(stats.replays == 6 && stats.padded_sequences == 1 + 0 + 0 + 3 + 3 + 0,
              "six replays in buckets 4, 8, 1, 8, 8, 2");
}

}  // namespace

int main() {
  try {
    run();
    std::cout << "pipeline: every replay equals its oracle, bit for bit\n";
  } catch (const std::exception& error) {
    std::cerr << "pipeline: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
