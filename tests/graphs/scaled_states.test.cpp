#include "tests/graphs/target_suite.hpp"
#include "tests/support/float_format.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

/** Pipelines of layers with codes and scales. */
namespace ssugraph::test {
namespace {

constexpr std::int32_t most_sequences = 6;
constexpr std::array modes{ssu_mode::plain, ssu_mode::varlen, ssu_mode::speculative};
constexpr std::array scaled{dtype::int8, dtype::int16, dtype::float8_e4m3};

case_spec spec_of(dtype state, ssu_mode mode = ssu_mode::plain) {
  case_spec spec;
  spec.mode = mode;
  spec.batch = most_sequences;
  spec.capacity = most_sequences;
  spec.max_seqlen = mode == ssu_mode::plain ? 1 : 3;
  spec.has_cu_seqlens = mode != ssu_mode::plain;
  spec.nheads = 2;
  spec.dim = 64;
  spec.dstate = 128;
  spec.state_dtype = state;
  spec.io_dtype = dtype::bfloat16;
  return spec;
}

std::string refused(const std::function<void()>& call) {
  try {
    call();
  } catch (const invalid_argument& error) {
    return error.argument() + ": " + error.came();
  }
  return "no error";
}

std::size_t offset_of(const tensor_view& tensor, model& layers) {
  return static_cast<std::size_t>(static_cast<std::byte*>(tensor.data()) - layers.memory(0).data());
}

void clear(const tensor_view& rows) {
  for (std::int64_t row = 0; row < rows.extent(0); ++row) {
    for (std::int64_t head = 0; head < rows.extent(1); ++head) {
      for (std::int64_t d = 0; d < rows.extent(2); ++d)
        store(address_of(rows, row, head, d), rows.dtype(), 0);
    }
  }
}

class scaled_states : public target_suite {
 protected:
  static pipeline_builder empty_builder() {
    return {{}, bucket_policy{{3, most_sequences}}, GetParam()};
  }
};

TEST_P(scaled_states, are_replayed_as_run_eagerly) {
  for (const dtype state : scaled) {
    for (const ssu_mode mode : modes) {
      for (const bool rounding : {false, true}) {
        case_spec spec = spec_of(state, mode);
        spec.stochastic_rounding = rounding;
        spec.scale_in_slot = mode == ssu_mode::varlen;
        spec.has_dst = mode == ssu_mode::speculative;
        const auto layers = make_layers(spec, 3);
        model by_replay{GetParam(), layers, true};
        model by_eager{GetParam(), layers, true};
        const placed_stream stream{where()};
        const bucket_policy buckets{{3, most_sequences}};
        lane replayed = by_replay.build(buckets).make_lane(stream.get());
        lane eager = by_eager.build(buckets).make_lane(stream.get());
        const auto before = by_replay.read();
        for (const std::int32_t batch : {1, 2, 3, 5, 6, 6}) {
          replayed.replay(batch, stream.get());
          eager.run_eager(batch, stream.get());
        }
        stream.wait();
        ASSERT_EQ(by_replay.read(), by_eager.read()) << to_string(spec);
        ASSERT_NE(by_replay.read(), before);
      }
    }
  }
}

/** A state's codes go nowhere without their scales. */
TEST_P(scaled_states, are_rebound_with_their_scales) {
  for (const dtype state : scaled) {
    for (const bool in_slot : {false, true}) {
      case_spec spec = spec_of(state);
      spec.scale_in_slot = in_slot;
      spec.stochastic_rounding = in_slot;
      const auto layers = make_layers(spec, 2);
      model home{GetParam(), layers, false};
      model away{GetParam(), layers, false};
      model expected{GetParam(), layers, false};
      const placed_stream stream{where()};
      const bucket_policy buckets{{most_sequences}};
      lane straight = expected.build(buckets).make_lane(stream.get());
      lane moved = home.build(buckets).make_lane(stream.get());
      const auto before = home.read();
      const std::vector<binding> bindings{
          {"layer1", "state", away.args(1).state.data()},
          {"layer1", "state_scale", away.args(1).state_scale.data()},
          {"layer1", "out", away.args(1).out.data()}};
      EXPECT_EQ(moved.rebind(bindings), std::vector{rebind_outcome::updated});
      moved.replay(5, stream.get());
      straight.replay(5, stream.get());
      stream.wait();
      const auto right = expected.read();
      EXPECT_EQ(home.read().front(), right.front());
      EXPECT_EQ(home.read().back(), before.back()) << "layer1 was moved away";
      EXPECT_EQ(away.read().back(), right.back());
    }
  }
}

TEST_P(scaled_states, are_not_rebound_to_what_another_layer_writes) {
  const model layers{GetParam(), make_layers(spec_of(dtype::int8), 2), false};
  const placed_stream stream{where()};
  lane lane = layers.build(bucket_policy{{most_sequences}}).make_lane(stream.get());
  const auto rebound = [&](const char* tensor, const tensor_view& to) {
    return refused([&] { (void)lane.rebind(std::vector<binding>{{"layer1", tensor, to.data()}}); });
  };
  EXPECT_TRUE(rebound("state_scale", layers.args(0).state_scale).starts_with("layer1.state_scale"));
  EXPECT_TRUE(rebound("state_scale", layers.args(1).state).starts_with("layer1.state_scale"));
  EXPECT_TRUE(rebound("state", layers.args(0).state).starts_with("layer1.state"));
  EXPECT_TRUE(
      rebound("dst_state_scale", layers.args(0).state_scale).starts_with("layer1.dst_state_scale"));
}

TEST_P(scaled_states, of_two_steps_have_scales_of_their_own) {
  const model layers{GetParam(), make_layers(spec_of(dtype::int16), 2), false};
  pipeline_builder builder = empty_builder();
  builder.ssu("first", layers.args(0));
  ssu_args second = layers.args(1);
  second.state_scale = second.state_scale.at(layers.args(0).state_scale.data());
  const std::string by_scale = refused([&] { builder.ssu("second", second); });
  EXPECT_TRUE(by_scale.starts_with("second.state_scale: ")) << by_scale;
  EXPECT_NE(by_scale.find("first"), std::string::npos) << by_scale;
  // Scales on another layer's codes.
  second.state_scale = second.state_scale.at(layers.args(0).state.data());
  const std::string on_codes = refused([&] { builder.ssu("second", second); });
  EXPECT_TRUE(on_codes.starts_with("second.state_scale: ")) << on_codes;
  // Codes on another layer's scales.
  second = layers.args(1);
  second.state = second.state.at(layers.args(0).state_scale.data());
  const std::string of_codes = refused([&] { builder.ssu("second", second); });
  EXPECT_TRUE(of_codes.starts_with("second.state: ")) << of_codes;
  second = layers.args(1);
  second.state = layers.args(0).state;
  const std::string shared =
      refused([&] { builder.ssu("second", second, {.shares_state = true}); });
  EXPECT_TRUE(shared.starts_with("second.state_scale: ")) << shared;
  second.state_scale = layers.args(0).state_scale;
  EXPECT_EQ(refused([&] { builder.ssu("second", second, {.shares_state = true}); }), "no error");
}

/** A scale that one step only reads and another writes is written. */
TEST_P(scaled_states, of_one_step_are_not_read_where_another_writes_them) {
  case_spec spec = spec_of(dtype::int8);
  const model in_place{GetParam(), make_layers(spec, 1), false};
  spec.has_dst_state = true;
  const model apart{GetParam(), make_layers(spec, 1), false};
  pipeline_builder builder = empty_builder();
  builder.ssu("writes", in_place.args(0));
  ssu_args reads = apart.args(0);
  reads.state_scale = reads.state_scale.at(in_place.args(0).state_scale.data());
  const std::string read = refused([&] { builder.ssu("reads", reads); });
  EXPECT_TRUE(read.starts_with("reads.state_scale: ")) << read;
  reads = apart.args(0);
  reads.dst_state_scale = reads.dst_state_scale.at(in_place.args(0).state_scale.data());
  const std::string written = refused([&] { builder.ssu("reads", reads); });
  EXPECT_TRUE(written.starts_with("reads.dst_state_scale: ")) << written;
  EXPECT_EQ(refused([&] { builder.ssu("reads", apart.args(0)); }), "no error");
}

TEST_P(scaled_states, are_served_in_checked_mode) {
  for (const dtype state : scaled) {
    case_spec spec = spec_of(state);
    spec.null_sequences = true;
    model checked{GetParam(), make_layers(spec, 1), false};
    model unchecked{GetParam(), make_layers(spec, 1), false};
    const placed_stream stream{where()};
    for (auto& [layers, check] : {std::pair{&checked, true}, std::pair{&unchecked, false}}) {
      pipeline_builder builder = layers->builder(bucket_policy{{most_sequences}});
      lane lane = builder.recording({.checked = check}).build().make_lane(stream.get());
      lane.replay(5, stream.get());
      stream.wait();
    }
    EXPECT_EQ(checked.read(), unchecked.read()) << to_string(state);
  }
}

TEST_P(scaled_states, of_slots_out_of_range_are_reported_and_left_alone) {
  for (const dtype state : scaled) {
    model layers{GetParam(), make_layers(spec_of(state), 1), false};
    const ssu_args& args = layers.args(0);
    std::array<std::byte, 4> bytes{};
    store_index(bytes.data(), args.state_batch_indices.dtype(), args.state.extent(0));
    layers.memory(0).write(offset_of(args.state_batch_indices, layers), bytes);
    const placed_stream stream{where()};
    pipeline_builder builder = layers.builder(bucket_policy{{most_sequences}});
    lane lane = builder.recording({.checked = true}).build().make_lane(stream.get());
    auto before = layers.read();
    lane.replay(1, stream.get());
    const std::string said = refused([&] { (void)lane.random_state(); });
    EXPECT_TRUE(said.starts_with("layer0.state_batch_indices[0]: ")) << said;
    auto after = layers.read();
    for (auto* contents : {&before, &after}) {
      clear(args.out.at(contents->front().data() + offset_of(args.out, layers)));
    }
    EXPECT_EQ(after, before) << to_string(state) << ": more than out was written";
  }
}

TEST_P(scaled_states, are_described) {
  const model layers{GetParam(), make_layers(spec_of(dtype::float8_e4m3), 1), false};
  const pipeline built = layers.build(bucket_policy{{most_sequences}});
  EXPECT_NE(built.describe().find("float8_e4m3"), std::string::npos) << built.describe();
  EXPECT_NE(built.describe_json().find("float8_e4m3"), std::string::npos);
  EXPECT_EQ(built.plan(0, 0).notes,
            std::vector<std::string>{"rounds float8_e4m3 to nearest at every token"});
  const ssu_problem& problem = built.plan(0, 0).problem;
  const std::size_t row = 128 + sizeof(float);
  EXPECT_EQ(state_bytes(problem, 5), 5 * 2 * 64 * row);
}

TEST_P(scaled_states, are_what_the_chosen_backend_has) {
  if (!on_gpu()) GTEST_SKIP() << "the host has one backend";
  for (const dtype state : scaled) {
    const model layers{GetParam(), make_layers(spec_of(state), 1), false};
    for (const char* backend : {"triton", "flashinfer"}) {
      if (std::string{backend} == "flashinfer" && state == dtype::int16) continue;
      try {
        pipeline_builder builder{{.backend = backend}, bucket_policy{{most_sequences}}, GetParam()};
        builder.ssu("layer", layers.args(0));
        ADD_FAILURE() << "no error";
      } catch (const unsupported& error) {
        const std::string reason = error.refusals().front().reason;
        if (!reason.starts_with("not in this build")) {
          EXPECT_EQ(reason, "it lacks " + std::string{to_string(state)} + " for state") << backend;
        }
      }
    }
  }
}

SSUGRAPH_ON_BOTH_TARGETS(scaled_states);

}  // namespace
}  // namespace ssugraph::test
