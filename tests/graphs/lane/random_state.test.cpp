#include "tests/graphs/target_suite.hpp"
#include "tests/support/compare.hpp"
#include "tests/support/ssu_oracle.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <vector>

/** Which seed each layer of each replay gets. */
namespace ssugraph::test {
namespace {

class lane_seeds : public target_suite {
 protected:
  static case_spec rounding_spec(ssu_mode mode) {
    case_spec spec;
    spec.mode = mode;
    spec.has_cu_seqlens = mode != ssu_mode::plain;
    spec.max_seqlen = mode == ssu_mode::plain ? 1 : 3;
    spec.batch = 5;
    spec.capacity = 8;
    spec.state_dtype = dtype::bfloat16;
    spec.stochastic_rounding = true;
    return spec;
  }

  /** One replay of `batch`, each layer checked against float64 with the seed it must have got. */
  static void expect_replay(model& layers, const mamba_config& config, lane& lane,
                            const placed_stream& stream, std::int32_t batch, random_state from) {
    auto before = layers.read();
    lane.replay(batch, stream.get());
    stream.wait();
    const auto after = layers.read();
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      // The layers share the sequences of the first, so these are looked up in its memory.
      ssu_args args = layers.args(layer);
      for (const auto& [name, member] : ssu_tensors) {
        tensor_view& tensor = args.*member;
        if (!tensor) continue;
        const bool shared = std::string{name}.ends_with("indices") ||
                            member == &ssu_args::num_accepted_tokens ||
                            member == &ssu_args::cu_seqlens;
        const std::size_t owner = shared ? 0 : layer;
        const auto offset = static_cast<std::byte*>(tensor.data()) - layers.memory(owner).data();
        tensor = tensor.at(before[owner].data() + offset);
      }
      const std::int64_t seed = oracle_draw(from.seed, from.next_draw + layer);
      expected_result expected = ssu_oracle(first_sequences(args, batch), config, seed);
      if (!args.cu_seqlens) expect_zero_rows(expected, args.out, batch, 8);
      ASSERT_TRUE(agrees(expected, {before[layer].data(), before[layer].size()},
                         {after[layer].data(), after[layer].size()}))
          << "layer " << layer << ", draw " << from.next_draw + layer;
    }
  }
};

TEST_P(lane_seeds, consumer_c_of_a_replay_gets_draw_n_plus_c) {
  for (const ssu_mode mode : {ssu_mode::plain, ssu_mode::varlen, ssu_mode::speculative}) {
    SCOPED_TRACE(to_string(mode));
    const auto cases = make_layers(rounding_spec(mode), 3);
    model layers{GetParam(), cases, false};
    const placed_stream stream{where()};
    lane lane = layers.build(bucket_policy{{8}}).make_lane(stream.get());
    EXPECT_EQ(lane.random_state(), random_state{});
    random_state expected{0x123456789abcdefu, 0xfffffffeu};
    lane.set_random_state(expected, stream.get());
    for (const std::int32_t batch : {5, 1, 0, 4, 5}) {
      if (batch == 0) {
        lane.replay(0, stream.get());
      } else {
        expect_replay(layers, cases.front().config, lane, stream, batch, expected);
        expected.next_draw += 3;
      }
      ASSERT_EQ(lane.random_state(), expected);
    }
  }
}

TEST_P(lane_seeds, nothing_is_drawn_without_rounding) {
  case_spec spec = rounding_spec(ssu_mode::plain);
  spec.stochastic_rounding = false;
  model layers{GetParam(), make_layers(spec, 2), false};
  const placed_stream stream{where()};
  lane lane = layers.build(bucket_policy{{8}}).make_lane(stream.get());
  lane.set_random_state({3, 4}, stream.get());
  lane.replay(5, stream.get());
  EXPECT_EQ(lane.random_state(), (random_state{3, 4}));
}

TEST_P(lane_seeds, a_saved_random_state_continues_as_if_nothing_had_happened) {
  model layers{GetParam(), make_layers(rounding_spec(ssu_mode::plain), 2), false};
  const placed_stream stream{where()};
  const pipeline built = layers.build(bucket_policy{{8}});
  const auto replay = [&](lane& lane, int count) {
    for (int i = 0; i < count; ++i)
      lane.replay(5, stream.get());
  };
  lane first = built.make_lane(stream.get());
  first.set_random_state({77, 0}, stream.get());
  replay(first, 5);
  const random_state saved = first.random_state();
  EXPECT_EQ(saved, (random_state{77, 10}));
  const auto memory = layers.read();
  replay(first, 5);
  stream.wait();
  const auto continued = layers.read();

  layers.write(memory);
  lane second = built.make_lane(stream.get());
  second.set_random_state(saved, stream.get());
  replay(second, 5);
  stream.wait();
  EXPECT_EQ(layers.read(), continued);
  EXPECT_EQ(second.random_state(), first.random_state());

  layers.write(memory);
  second.set_random_state({78, saved.next_draw}, stream.get());
  replay(second, 5);
  stream.wait();
  EXPECT_NE(layers.read(), continued) << "the seed does not matter";
}

TEST_P(lane_seeds, setting_the_random_state_is_ordered_by_the_stream) {
  model layers{GetParam(), make_layers(rounding_spec(ssu_mode::plain), 2), false};
  const placed_stream stream{where()};
  const pipeline built = layers.build(bucket_policy{{8}});
  const auto before = layers.read();
  const auto run = [&](bool wait_between) {
    layers.write(before);
    lane lane = built.make_lane(stream.get());
    for (std::uint64_t i = 0; i < 50; ++i) {
      lane.replay(5, stream.get());
      if (wait_between) stream.wait();
      lane.set_random_state({i, 7 * i}, stream.get());
      if (wait_between) stream.wait();
    }
    stream.wait();
    return layers.read();
  };
  EXPECT_EQ(run(false), run(true));
}

SSUGRAPH_ON_BOTH_TARGETS(lane_seeds);

}  // namespace
}  // namespace ssugraph::test
