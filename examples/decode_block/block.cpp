#include "block.hpp"

#include "kernels.hpp"

#include <ssugraph/pipeline_builder.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/step.hpp>
#include <ssugraph/stream.hpp>

#include <fmt/format.h>

#include <string>
#include <utility>

namespace decode_block {
namespace {

using ssugraph::dtype;
using ssugraph::step_context;
using ssugraph::step_options;
using ssugraph::stream_handle;

/** Adds the steps of one layer after another. */
class stack_builder {
 public:
  stack_builder(ssugraph::pipeline_builder& steps, const model_weights& weights,
                const projections& products, const decode_memory& memory, bool overlap)
      : steps_{steps},
        model_{weights.model},
        weights_{weights},
        products_{products},
        memory_{memory},
        overlap_{overlap} {}

  void add_embedding() {
    const auto enqueue_step = [&weights = weights_, &memory = memory_, width = model_.d_model](
                                  const step_context& context, stream_handle stream) {
      enqueue(embedding{.table = weights.embedding.data(),
                        .tokens = memory.tokens.data(),
                        .live = context.live_sequences,
                        .out = memory.residual.front().data(),
                        .width = width},
              context.rows, stream);
    };
    steps_.step("embed", enqueue_step, {.warm_up = true});
  }

  void add_layer(std::size_t layer) {
    add_pre_norm(layer);
    add_in_proj(layer);
    add_conv(layer);
    steps_.ssu(name(layer, "ssu"), ssu_arguments(layer));
    add_norm(layer);
    add_out_proj(layer);
  }

 private:
  static std::string name(std::size_t layer, const char* part) {
    return fmt::format("layer {} {}", layer, part);
  }

  void add_pre_norm(std::size_t layer) {
    add_norm_step(layer, "pre_norm",
                  {.in = memory_.residual[layer].data(),
                   .gate = nullptr,
                   .weight = weights_.layers[layer].pre_norm.data(),
                   .out = memory_.normed.data(),
                   .width = model_.d_model,
                   .groups = 1,
                   .in_stride = model_.d_model,
                   .gate_stride = 0});
  }

  void add_in_proj(std::size_t layer) {
    add_gemm_step(layer, "in_proj", products_.in_proj,
                  {.in = memory_.normed.data(),
                   .weight = weights_.layers[layer].in_proj.data(),
                   .add = nullptr,
                   .out = memory_.projected.data()});
  }

  /** Reads x, B and C behind z in the rows of in_proj. */
  void add_conv(std::size_t layer) {
    const layer_weights& weights = weights_.layers[layer];
    const device_array<bf16>& state = memory_.states[layer].conv;
    const conv_update job{.in = memory_.projected.data() + model_.inner(),
                          .state = state.data(),
                          .weight = weights.conv.data(),
                          .bias = weights.conv_bias.data(),
                          .slots = nullptr,  // The lane's padded ones, which the context has.
                          .out = memory_.convolved.data(),
                          .channels = model_.conv_channels(),
                          .in_stride = model_.projected(),
                          .slot_stride = 0,
                          .null_slot = 0};
    const auto enqueue_step = [job, overlap = overlap_](const step_context& context,
                                                        stream_handle stream) {
      conv_update own = job;
      own.slots = static_cast<const std::int32_t*>(context.state_batch_indices.data());
      own.slot_stride = context.state_batch_indices.stride(0);
      own.null_slot = context.null_block_id;
      enqueue(own, context.rows, overlap, stream);
    };
    step_options options;
    // With what it writes declared, the SSU behind may start early and read its state ahead.
    options.writes = {{memory_.convolved.data(), memory_.convolved.bytes()},
                      {state.data(), state.bytes()}};
    options.triggers_early = overlap_;
    options.warm_up = layer == 0;
    steps_.step(name(layer, "conv"), enqueue_step, std::move(options));
  }

  /** x, B and C are slices of the rows of the convolution, dt the end of the rows of in_proj. One
   * A, D, dt and dt_bias a head: spread over dim and dstate by strides of 0. */
  [[nodiscard]] ssugraph::ssu_args ssu_arguments(std::size_t layer) const {
    const auto& [model_name, layers, d_model, nheads, dim, dstate, ngroups, state_dtype,
                 checkpoint] = model_;
    const layer_weights& weights = weights_.layers[layer];
    const std::int64_t rows = memory_.max_batch;
    const std::int64_t conv_row = model_.conv_channels();
    const bf16* x = memory_.convolved.data();
    const bf16* B = x + model_.inner();
    const bf16* C = B + model_.group_inputs();
    const bf16* dt = memory_.projected.data() + model_.inner() + conv_row;

    constexpr auto type = dtype::bfloat16;
    ssugraph::ssu_args args;
    const layer_state& state = memory_.states[layer];
    args.state = {state.ssm.data(), state_dtype, {memory_.slots, nheads, dim, dstate}};
    if (is_scaled(state_dtype))
      args.state_scale = {state.scale.data(), dtype::float32, {memory_.slots, nheads, dim}};
    args.x = {x, type, {rows, nheads, dim}, {conv_row, dim, 1}};
    args.B = {B, type, {rows, ngroups, dstate}, {conv_row, dstate, 1}};
    args.C = {C, type, {rows, ngroups, dstate}, {conv_row, dstate, 1}};
    args.dt = {dt, type, {rows, nheads, dim}, {model_.projected(), 1, 0}};
    args.A = {weights.A.data(), dtype::float32, {nheads, dim, dstate}, {1, 0, 0}};
    args.D = {weights.D.data(), type, {nheads, dim}, {1, 0}};
    args.dt_bias = {weights.dt_bias.data(), type, {nheads, dim}, {1, 0}};
    args.out = {memory_.out.data(), type, {rows, nheads, dim}};
    args.state_batch_indices = {memory_.slot_of.data(), dtype::int32, {rows}};
    args.dt_softplus = true;
    if (checkpoint > 0) bind_rings(args, state);
    return args;
  }

  /** The state is stored every `checkpoint` tokens; the prologue keeps the cursor of all layers. */
  void bind_rings(ssugraph::ssu_args& args, const layer_state& state) const {
    const std::int64_t slots = memory_.slots;
    const std::int64_t rows = model_.ring_rows();
    args.x_ring = {state.x_ring.data(), dtype::bfloat16, {slots, model_.nheads, rows, model_.dim}};
    args.B_ring = {
        state.B_ring.data(), dtype::bfloat16, {slots, model_.ngroups, rows, model_.dstate}};
    args.dt_ring = {state.dt_ring.data(), dtype::float32, {slots, model_.nheads, rows}};
    args.ring_cursor = {memory_.cursor.data(), dtype::int32, {slots, 4}};
    args.checkpoint_interval = model_.checkpoint;
  }

  /** In Mamba-2 z gates here, not in the SSU. */
  void add_norm(std::size_t layer) {
    add_norm_step(layer, "norm",
                  {.in = memory_.out.data(),
                   .gate = memory_.projected.data(),
                   .weight = weights_.layers[layer].norm.data(),
                   .out = memory_.gated.data(),
                   .width = model_.inner(),
                   .groups = model_.ngroups,
                   .in_stride = model_.inner(),
                   .gate_stride = model_.projected()});
  }

  /** A stream of its own behind each layer, so that the check can look into all of them. */
  void add_out_proj(std::size_t layer) {
    add_gemm_step(layer, "out_proj", products_.out_proj,
                  {.in = memory_.gated.data(),
                   .weight = weights_.layers[layer].out_proj.data(),
                   .add = memory_.residual[layer].data(),
                   .out = memory_.residual[layer + 1].data()});
  }

  void add_norm_step(std::size_t layer, const char* part, const rms_norm& job) {
    const auto enqueue_step = [job, overlap = overlap_](const step_context& context,
                                                        stream_handle stream) {
      enqueue(job, context.rows, overlap, stream);
    };
    steps_.step(name(layer, part), enqueue_step, {.warm_up = layer == 0});
  }

  void add_gemm_step(std::size_t layer, const char* part, const gemm& product,
                     const gemm_job& job) {
    const auto enqueue_step = [job, &product](const step_context& context, stream_handle stream) {
      product.enqueue(job, context.rows, context.scratch, stream);
    };
    steps_.step(name(layer, part), enqueue_step, {.scratch_bytes = product.workspace_bytes()});
  }

  ssugraph::pipeline_builder& steps_;
  const model& model_;
  const model_weights& weights_;
  const projections& products_;
  const decode_memory& memory_;
  bool overlap_;
};

}  // namespace

projections::projections(const model& shape, std::span<const std::int32_t> buckets)
    : cublas{make_cublas()},
      in_proj{cublas.get(), shape.projected(), shape.d_model, false, buckets},
      out_proj{cublas.get(), shape.d_model, shape.inner(), true, buckets} {}

ssugraph::pipeline build_decoder(const model_weights& weights, const projections& products,
                                 const decode_memory& memory, ssugraph::mamba_config config,
                                 const ssugraph::bucket_policy& buckets, bool overlap) {
  ssugraph::pipeline_builder steps{std::move(config), buckets};
  steps.programmatic_dependent_launch(overlap);
  stack_builder stack{steps, weights, products, memory, overlap && can_be_programmatic()};
  stack.add_embedding();
  for (std::size_t layer = 0; layer < weights.layers.size(); ++layer)
    stack.add_layer(layer);
  return steps.build();
}

}  // namespace decode_block
