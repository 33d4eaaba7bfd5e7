#pragma once

#include "tests/c_api/c_args.hpp"
#include "tests/graphs/target_suite.hpp"

#include <span>
#include <vector>

namespace ssugraph::test {

/** Models as the C API builds them, on either target. */
class c_pipelines : public target_suite {
 protected:
  static std::int32_t c_target() { return on_gpu() ? SSUGRAPH_TARGET_CUDA : SSUGRAPH_TARGET_HOST; }

  /** A builder of `config` for these buckets, without steps. */
  static void create(c_builder& builder, const mamba_config& config,
                     std::span<const std::int32_t> buckets) {
    const ssugraph_config given = c_config(config);
    ASSERT_STATUS(
        ssugraph_builder_create(&given, buckets.data(), buckets.size(), c_target(), &builder),
        SUCCESS);
  }

  static void add_layer(const c_builder& builder, const model& of, std::size_t layer) {
    const c_args args{of.args(layer), on_gpu()};
    ASSERT_STATUS(ssugraph_builder_ssu(builder, model::name_of(layer).c_str(), args.get(), nullptr),
                  SUCCESS);
  }

  static void make_lane(const c_builder& builder, stream_handle stream, c_lane& lane) {
    c_pipeline pipeline;
    ASSERT_STATUS(ssugraph_builder_build(builder, &pipeline), SUCCESS);
    ASSERT_STATUS(ssugraph_pipeline_make_lane(pipeline, nullptr, 0, stream, &lane), SUCCESS);
  }

  /** The whole model as a lane. */
  static void make_lane(const model& of, const mamba_config& config,
                        std::span<const std::int32_t> buckets, stream_handle stream, c_lane& lane) {
    c_builder builder;
    ASSERT_NO_FATAL_FAILURE(create(builder, config, buckets));
    for (std::size_t layer = 0; layer < of.size(); ++layer)
      ASSERT_NO_FATAL_FAILURE(add_layer(builder, of, layer));
    make_lane(builder, stream, lane);
  }
};

/** A layer of 8 sequences that rounds, in one of the modes. */
[[nodiscard]] inline case_spec rounding_spec(ssu_mode mode = ssu_mode::plain) {
  case_spec spec;
  spec.mode = mode;
  spec.has_cu_seqlens = mode == ssu_mode::varlen;
  spec.has_dst = mode == ssu_mode::speculative;
  spec.max_seqlen = mode == ssu_mode::plain ? 1 : 3;
  spec.batch = 8;
  spec.capacity = 8;
  spec.nheads = 2;
  spec.state_dtype = dtype::bfloat16;
  spec.stochastic_rounding = true;
  return spec;
}

}  // namespace ssugraph::test
