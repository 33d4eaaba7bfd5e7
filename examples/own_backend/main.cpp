/**
 * Registers a backend of one's own (row_by_row.cpp) and uses it by its name: in an eager call, and,
 * where there is a GPU, in the graphs of a pipeline.
 */
#include "../toy.hpp"
#include "row_by_row.hpp"

#include <ssugraph/ssugraph.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>

namespace {

/** An fp32 layer with live slots 1, 2, 3 and null ones behind them. */
struct model {
  model() {
    x.fill(-1, 1, 1);
    for (std::int32_t i = 0; i < 3; ++i)
      slot_of[i] = i + 1;
    layer.state.fill(-1, 1, 2);
    layer.args.D = {};
    layer.args.dt_softplus = false;
  }

  toy::array<float> x{toy::rows};
  toy::array<std::int32_t> slot_of{toy::max_batch};
  toy::layer layer{x, slot_of, 10, ssugraph::dtype::float32};
};

bool close(const toy::array<float>& a, const toy::array<float>& b) {
  return std::ranges::equal(a.values(), b.values(),
                            [](float one, float other) { return std::abs(one - other) < 1e-4f; });
}

void call_eagerly(const toy::stream& stream) {
  const model own;
  const model given;
  ssugraph::ssu_dispatch{{.backend = "row_by_row"}}.selective_state_update(own.layer.args,
                                                                           stream.get());
  ssugraph::ssu_dispatch{{.backend = toy::backend()}}.selective_state_update(given.layer.args,
                                                                             stream.get());
  stream.wait();
  toy::expect(own.layer.out[0] != 0, "it ran");
  toy::expect(close(own.layer.out, given.layer.out), "out as by the library's own backend");
  toy::expect(close(own.layer.state, given.layer.state), "so is the state");
}

/** Where it does not serve a problem, the user gets its reason, before anything runs. */
void be_refused() {
  model other;
  other.layer.args.dt_softplus = true;
  try {
    static_cast<void>(ssugraph::ssu_dispatch{{.backend = "row_by_row"}}.plan(other.layer.args));
    toy::expect(false, "softplus is refused");
  } catch (const ssugraph::unsupported& error) {
    std::cout << "own_backend: refused as it should be: " << error.what() << '\n';
  }
}

/** Without indices, sequence i has slot i. */
void replay(const toy::stream& stream, bool with_indices) {
  const model replayed;
  const model oracle;
  for (const model* m : {&replayed, &oracle}) {
    ssugraph::ssu_args args = m->layer.args;
    if (!with_indices) args.state_batch_indices = {};
    ssugraph::lane lane =
        ssugraph::pipeline_builder{{.backend = "row_by_row"}, ssugraph::bucket_policy{{2, 8}}}
            .ssu("layer", args)
            .build()
            .make_lane(stream.get());
    for (const std::int32_t batch : {3, 1, 2})
      m == &replayed ? lane.replay(batch, stream.get()) : lane.run_eager(batch, stream.get());
    stream.wait();
  }
  toy::expect(toy::same_bits(replayed.layer.out, oracle.layer.out), "equal outputs");
  toy::expect(toy::same_bits(replayed.layer.state, oracle.layer.state), "equal states");
}

void run() {
  const toy::stream stream;
  ssugraph::register_mamba_ssu_backend(std::make_shared<row_by_row>());
  call_eagerly(stream);
  be_refused();
  // A host pipeline always runs on backend `reference`.
  if (!toy::on_gpu()) return;
  replay(stream, true);
  replay(stream, false);
}

}  // namespace

int main() {
  try {
    run();
    std::cout << "own_backend: ran eagerly"
              << (toy::on_gpu() ? " and in a pipeline, on the GPU\n" : ", on the host\n");
  } catch (const std::exception& error) {
    std::cerr << "own_backend: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
