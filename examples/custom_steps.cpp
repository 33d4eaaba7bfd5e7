/**
 * Steps of your own between the layers: a kernel that scales rows, and a copy of a seed that the
 * replay drew. Built with CUDA, this file is compiled by nvcc; else the steps run on the host.
 */
#include "toy.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>

namespace {

constexpr std::int64_t row = toy::nheads * toy::dim;

#if SSUGRAPH_CUDA
/** `out` = `by` * `in` in the first *live rows, zeros in the others; one block a row. */
__global__ void scale_rows(float* out, const float* in, float by, const std::int32_t* live) {
  const std::int64_t i = blockIdx.x * row + threadIdx.x;
  out[i] = blockIdx.x < *live ? by * in[i] : 0.0f;
}
#endif

/** The same on the host, for the step of a host pipeline and for the check. */
void scale_rows_on_host(float* out, const float* in, float by, std::int64_t live,
                        std::int64_t rows) {
  for (std::int64_t i = 0; i < rows * row; ++i)
    out[i] = i < live * row ? by * in[i] : 0.0f;
}

/**
 * Enqueues the kernel for all rows of the bucket; how many of them are live is only known on the
 * device, when the graph runs. In a host pipeline, the step itself runs in each replay.
 */
ssugraph::step_function scale(const toy::array<float>& out, const toy::array<float>& in, float by) {
  return [to = out.data(), from = in.data(), by](const ssugraph::step_context& context,
                                                 ssugraph::stream_handle stream) {
#if SSUGRAPH_CUDA
    if (toy::where() == ssugraph::target::cuda) {
      scale_rows<<<static_cast<unsigned>(context.rows), row, 0, stream>>>(to, from, by,
                                                                          context.live_rows);
      return toy::check(cudaGetLastError(), "scale_rows");
    }
#endif
    static_cast<void>(stream);
    scale_rows_on_host(to, from, by, *context.live_rows, context.rows);
  };
}

/** A copy in stream order, from the lane's memory: seeds are drawn anew by each replay. */
ssugraph::step_function keep_seed(const toy::array<std::int64_t>& to) {
  return [to = to.data()](const ssugraph::step_context& context, ssugraph::stream_handle stream) {
#if SSUGRAPH_CUDA
    if (toy::where() == ssugraph::target::cuda) {
      return toy::check(
          cudaMemcpyAsync(to, context.seeds.data(), sizeof *to, cudaMemcpyDeviceToDevice, stream),
          "cudaMemcpyAsync");
    }
#endif
    static_cast<void>(stream);
    *to = context.seeds[0];
  };
}

void run() {
  const toy::array<float> x{toy::rows};
  const toy::array<float> scaled{toy::rows};
  const toy::array<std::int32_t> slot_of{toy::max_batch};
  const toy::array<std::int64_t> seed{1};
  const toy::layer first{x, slot_of, 10};
  const toy::layer second{scaled, slot_of, 20};

  ssugraph::pipeline_builder builder{
      {}, ssugraph::bucket_policy::powers_of_two(toy::max_batch), toy::where()};
  builder
      .ssu("first", first.args)
      // All that it writes is declared, so the layer behind may read its state ahead of it.
      .step("scale", scale(scaled, first.out, 0.5f),
            {.writes = {{{scaled.data(), scaled.values().size_bytes()}}}})
      .ssu("second", second.args)
      .step("keep_seed", keep_seed(seed), {.seeds = 1});
  const toy::stream stream;
  ssugraph::lane lane = builder.build().make_lane(stream.get());
  lane.set_random_state({.seed = 7}, stream.get());

  std::uint32_t step = 0;
  for (const std::int32_t batch : {3, 8, 1}) {
    x.fill(-1, 1, step + 1);
    for (std::int32_t i = 0; i < batch; ++i)
      slot_of[i] = i + 1;  // slot 0 is nobody's
    lane.replay(batch, stream.get());
    stream.wait();

    const std::int32_t bucket = batch == 3 ? 4 : batch;
    const toy::array<float> expected = scaled.copy();
    scale_rows_on_host(expected.data(), first.out.data(), 0.5f, batch, bucket);
    toy::expect(first.out[0] != 0 && toy::same_bits(expected, scaled), "the live rows are scaled");
    toy::expect(second.out[0] != 0, "the second layer has read them");
    toy::expect(seed[0] == ssugraph::seed_draw(7, step), "each replay draws the next seed");
    ++step;
  }
}

}  // namespace

int main() {
  try {
    run();
    std::cout << "custom_steps: ran between two layers, "
              << (toy::on_gpu() ? "on the GPU\n" : "on the host\n");
  } catch (const std::exception& error) {
    std::cerr << "custom_steps: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
