#include "graphs/layout/bindings.hpp"

#include "graphs/builder.hpp"
#include "lib/core/reach.hpp"
#include "tests/graphs/target_suite.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <memory>
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
      for (std::size_t i = 0; i < ssu_tensors.size(); ++i) {
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

/** Rows of other memory, for one recording. No GPU is asked: where memory is, a test says. */
class rows_while_recording : public testing::Test {
 protected:
  static constexpr std::int32_t small = 3;

  rows_while_recording() {
    case_spec spec;
    spec.batch = most_sequences;
    spec.capacity = most_sequences;
    layers_ = std::make_unique<model>(target::host, make_layers(spec, 2), false);
    pipeline_builder builder = layers_->builder(bucket_policy{{small, most_sequences}});
    core_ = detail::pipeline_draft::of(builder).resolve();
  }

  [[nodiscard]] const ssu_args& args() const { return layers_->args(0); }

  [[nodiscard]] detail::bound_steps bind(std::size_t bucket_index,
                                         const std::vector<binding>& bindings,
                                         device where = device::host()) const {
    return detail::bind_rows(*core_, detail::built_steps(*core_), bucket_index, bindings,
                             [where](const void*) { return where; });
  }

  /** The argument that is refused. */
  [[nodiscard]] std::string refused(const std::vector<binding>& bindings,
                                    std::size_t bucket_index = 1,
                                    device where = device::host()) const {
    try {
      (void)bind(bucket_index, bindings, where);
    } catch (const invalid_argument& error) {
      return error.argument();
    }
    return "no error";
  }

  std::unique_ptr<model> layers_;
  std::shared_ptr<const detail::pipeline_core> core_;
};

TEST_F(rows_while_recording, are_those_of_the_steps_that_are_named) {
  const placed_memory other{place::host, 1 << 16};
  const detail::bound_steps bound = bind(1, {{"layer1", "x", other.data()}});
  ASSERT_EQ(bound.size(), 2u);
  EXPECT_EQ(bound[0], nullptr) << "the lane's own";
  ASSERT_NE(bound[1], nullptr);
  const ssu_args& own = layers_->args(1);
  for (std::size_t i = 0; i < bound[1]->traits().operands.size(); ++i) {
    const std::string name{bound[1]->traits().operands[i].name};
    const tensor_view& tensor = bound[1]->traits().tensors[i];
    if (name == "x") {
      EXPECT_EQ(tensor.data(), other.data());
    } else if (name == "out") {
      EXPECT_EQ(tensor.data(), own.out.data());
    } else if (name == "state") {
      EXPECT_EQ(tensor.data(), own.state.data());
    }
  }
  for (const detail::checked_pointer& none : bind(1, {}))
    EXPECT_EQ(none, nullptr);
}

TEST_F(rows_while_recording, refuse_what_does_not_fit) {
  const void* const x = args().x.data();
  EXPECT_EQ(refused({{"nobody", "x", x}}), "bindings");
  EXPECT_EQ(refused({{"layer0", "weight", x}}), "bindings");
  EXPECT_EQ(refused({{"layer0", "z", x}}), "layer0.z");
  EXPECT_EQ(refused({{"layer0", "x", x}, {"layer0", "x", x}}), "layer0.x");
  EXPECT_EQ(refused({{"layer0", "x", x}}, 1, device{0}), "layer0.x") << "of another device";
  EXPECT_EQ(refused({{"layer0", "x", nullptr}}), "layer0.x");
  const auto* between = static_cast<const std::byte*>(args().dt.data()) + 1;
  EXPECT_EQ(refused({{"layer0", "dt", between}}), "layer0.dt");
  const auto* last = reinterpret_cast<const void*>(~std::uintptr_t{255});
  EXPECT_EQ(refused({{"layer0", "x", last}}), "layer0.x");
  EXPECT_EQ(refused({{"layer0", "out", args().state.data()}}), "layer0.out");
  EXPECT_EQ(refused({{"layer0", "x", args().out.data()}}), "layer0.out");
  EXPECT_EQ(refused({{"layer1", "x", args().out.data()}}), "no error") << "of the layer in front";
}

TEST_F(rows_while_recording, refuse_other_tensors_and_name_rebind) {
  for (const char* const name : {"state", "A", "D", "dt_bias", "state_batch_indices"}) {
    try {
      (void)bind(1, {{"layer0", name, args().x.data()}});
      ADD_FAILURE() << name;
    } catch (const invalid_argument& error) {
      EXPECT_EQ(error.argument(), std::string{"layer0."} + name);
      EXPECT_NE(error.expected().find("row tensor"), std::string::npos) << error.what();
      EXPECT_NE(error.came().find("rebind"), std::string::npos) << error.what();
    }
  }
}

TEST_F(rows_while_recording, have_to_be_there_for_their_bucket_alone) {
  const placed_memory other{place::host, 1 << 16};
  const tensor_view x = args().x.with_extent(0, small).at(other.data() + (1 << 14));
  const auto [lowest, bytes] = detail::reach_of(x);
  const tensor_view out = args().out.with_extent(0, small).at(lowest);
  const auto before_first = static_cast<const std::byte*>(lowest) -
                            static_cast<const std::byte*>(detail::reach_of(out).data);
  // Of the small bucket, out begins where x ends.
  const std::vector<binding> bindings{
      {"layer0", "x", x.data()},
      {"layer0", "out", static_cast<const std::byte*>(lowest) + bytes + before_first}};
  EXPECT_EQ(refused(bindings, 0), "no error");
  EXPECT_EQ(refused(bindings, 1), "layer0.out");
}

}  // namespace
}  // namespace ssugraph::test
