#include "tests/graphs/target_suite.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

/** Lanes with tensors of their own. */
namespace ssugraph::test {
namespace {

constexpr std::int64_t most_sequences = 6;
constexpr std::size_t layer_count = 3;

class lane_bindings : public target_suite {
 protected:
  static std::vector<ssu_case> cases() {
    case_spec spec;
    spec.batch = most_sequences;
    spec.capacity = most_sequences;
    spec.nheads = 2;
    spec.state_dtype = dtype::bfloat16;
    spec.stochastic_rounding = true;
    spec.has_dst = true;
    return make_layers(spec, layer_count);
  }

  /** Every tensor of `from`, as bindings of a pipeline built on a model of the same layout. */
  static std::vector<binding> all_of(const model& from) {
    std::vector<binding> bindings;
    for (std::size_t layer = 0; layer < from.size(); ++layer) {
      for (std::size_t i = 0; i + 1 < ssu_tensors.size(); ++i) {
        const tensor_view& tensor = from.args(layer).*ssu_tensors[i].member;
        if (!tensor) continue;
        bindings.push_back(
            {model::name_of(layer), std::string{ssu_tensors[i].name}, tensor.data()});
      }
    }
    return bindings;
  }

  static std::string refused_argument(const pipeline& built, stream_handle stream,
                                      const binding& bound) {
    try {
      (void)built.make_lane(stream, std::vector{bound});
    } catch (const invalid_argument& error) {
      return error.argument();
    }
    return "no error";
  }
};

TEST_P(lane_bindings, replace_every_address) {
  model built_on{GetParam(), cases(), false};
  model bound{GetParam(), cases(), false};
  const placed_stream stream{where()};
  const auto before = built_on.read();
  const pipeline built = built_on.build(bucket_policy{{3, 6}});

  lane own = built.make_lane(stream.get());
  own.replay(5, stream.get());
  stream.wait();
  const auto expected = built_on.read();
  built_on.write(before);

  lane rebound = built.make_lane(stream.get(), all_of(bound));
  rebound.replay(5, stream.get());
  stream.wait();
  EXPECT_EQ(bound.read(), expected);
  EXPECT_EQ(built_on.read(), before) << "the lane touched tensors that its bindings replaced";
}

TEST_P(lane_bindings, refuse_what_does_not_fit) {
  model layers{GetParam(), cases(), false};
  const placed_stream stream{where()};
  const pipeline built = layers.build(bucket_policy{{3, 6}});
  const ssu_args& args = layers.args(0);
  EXPECT_EQ(refused_argument(built, stream.get(), {"nobody", "x", args.x.data()}), "bindings");
  EXPECT_EQ(refused_argument(built, stream.get(), {"layer0", "z", args.x.data()}), "layer0.z");
  EXPECT_EQ(refused_argument(built, stream.get(), {"layer0", "num_accepted_tokens", args.x.data()}),
            "layer0.num_accepted_tokens");
  // A plan of 16-byte accesses cannot take this; the host's can.
  const auto* shifted = static_cast<const std::byte*>(args.B.data()) + 4;
  EXPECT_EQ(refused_argument(built, stream.get(), {"layer0", "B", shifted}),
            on_gpu() ? "layer0" : "no error");
  const auto* between = static_cast<const std::byte*>(args.dt.data()) + 1;
  EXPECT_NE(refused_argument(built, stream.get(), {"layer0", "dt", between}), "no error");
  EXPECT_NE(refused_argument(built, stream.get(), {"layer0", "x", nullptr}), "no error");
  const auto* last = reinterpret_cast<const void*>(~std::uintptr_t{255});
  EXPECT_EQ(refused_argument(built, stream.get(), {"layer0", "x", last}), "layer0.x");
  EXPECT_NE(refused_argument(built, stream.get(), {"layer0", "out", args.x.data()}), "no error");
}

TEST_P(lane_bindings, refuse_memory_of_the_other_kind) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  const model layers{GetParam(), cases(), false};
  const model elsewhere{on_gpu() ? target::host : target::cuda, cases(), false};
  const placed_stream stream{where()};
  const pipeline built = layers.build(bucket_policy{{6}});
  EXPECT_NE(refused_argument(built, stream.get(), {"layer0", "x", elsewhere.args(0).x.data()}),
            "no error");
}

SSUGRAPH_ON_BOTH_TARGETS(lane_bindings);

}  // namespace
}  // namespace ssugraph::test
