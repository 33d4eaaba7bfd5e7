#include "tests/graphs/ring_layers.hpp"

#include <gtest/gtest.h>

#include <functional>

/** Checked mode with rings: whoever left a cursor that no step leaves, or plans what a ring cannot
 *  hold, hears of it. */
namespace ssugraph::test {
namespace {

using integers = std::vector<std::int64_t>;

constexpr ring_spec with_cursor{
    .interval = 8, .max_seqlen = 2, .sequences = 4, .layers = 2, .has_accepted = true};
constexpr ring_spec with_plan{
    .interval = 8, .max_seqlen = 2, .sequences = 4, .layers = 2, .has_plan = true};

class checked_rings : public target_suite {
 protected:
  static void write_kept_promises(ring_layers& layers) {
    const ssu_args& args = layers.args();
    layers.write(args.state_batch_indices, integers{2, 0, 5, 3});
    layers.write(args.cu_seqlens, integers{0, 2, 4, 4, 6});
    if (args.num_accepted_tokens) layers.write(args.num_accepted_tokens, integers{0, 1, 2, 2});
  }

  /** The argument that the call behind a checked replay refuses; empty: none. */
  static std::string refused(ring_layers& layers, lane_call call = lane_call::replay) {
    const placed_stream stream{where()};
    pipeline_builder builder{{}, bucket_policy{{2, 4}}, GetParam()};
    layers.add_to(builder);
    builder.recording({.checked = true});
    lane lane = builder.build().make_lane(stream.get());
    run(lane, call, 4, stream.get());
    stream.wait();
    try {
      (void)lane.random_state();
    } catch (const invalid_argument& error) {
      return error.argument();
    }
    return {};
  }

  /** The same where sequence 0, of slot 2, has this plan. */
  static std::string refused(const ring_plan_row& plan, bool is_eager) {
    ring_layers layers{GetParam(), with_plan};
    write_kept_promises(layers);
    const integers row{plan.start, plan.count, plan.flush,    plan.length,
                       plan.shift, plan.slot,  plan.position, 0};
    integers rows = row;
    rows.insert(rows.end(), {0, 0, 0, 2, 1, 0, 0, 0});   // null by its slot
    rows.insert(rows.end(), {9, -1, 7, 0, 1, 5, 0, 0});  // without a token
    rows.insert(rows.end(), {1, 2, 2, 2, 1, 3, 0, 0});
    layers.write(layers.args().ring_plan, rows);
    if (!is_eager) return refused(layers);
    const placed_stream stream{where()};
    ssu_dispatch dispatch{{.backend = on_gpu() ? "native" : "reference"}, 1, {.checked = true}};
    try {
      dispatch.selective_state_update(layers.args(), stream.get());
    } catch (const invalid_argument& error) {
      return error.argument();
    }
    return {};
  }
};

TEST_P(checked_rings, accept_kept_promises) {
  ring_layers layers{GetParam(), with_cursor};
  write_kept_promises(layers);
  layers.write_cursor(2, {.start = 10, .count = 7, .pending = 2, .position = 16});
  layers.write_cursor(0, {.start = -1});  // nobody's
  EXPECT_EQ(refused(layers), "");
  EXPECT_EQ(refused(layers, lane_call::run_eager), "");
}

TEST_P(checked_rings, name_the_slot_of_a_cursor_that_no_step_left) {
  for (const ring_cursor& cursor :
       {ring_cursor{.start = -1}, ring_cursor{.start = 11}, ring_cursor{.count = 8},
        ring_cursor{.count = -1}, ring_cursor{.pending = 12}, ring_cursor{.position = -1},
        ring_cursor{.position = 0x7fffffff}}) {
    for (const lane_call call : {lane_call::replay, lane_call::run_eager}) {
      ring_layers layers{GetParam(), with_cursor};
      write_kept_promises(layers);
      layers.write_cursor(3, cursor);
      EXPECT_EQ(refused(layers, call), "layer0.ring_cursor[3]");
      EXPECT_EQ(layers.cursors()[3], cursor);
      EXPECT_EQ(layers.cursors()[2].pending, 2);
    }
  }
}

TEST_P(checked_rings, name_a_slot_of_two_sequences_and_counts_of_more_than_there_are) {
  ring_layers layers{GetParam(), with_cursor};
  write_kept_promises(layers);
  layers.write(layers.args().state_batch_indices, integers{2, 0, 5, 2});
  EXPECT_EQ(refused(layers), "layer0.state_batch_indices[3]");
  write_kept_promises(layers);
  layers.write(layers.args().state_batch_indices, integers{2, 9});
  EXPECT_EQ(refused(layers), "layer0.state_batch_indices[1]");
  write_kept_promises(layers);
  layers.write(layers.args().num_accepted_tokens, integers{0, 17});
  EXPECT_EQ(refused(layers), "layer0.num_accepted_tokens[1]");
  layers.write(layers.args().num_accepted_tokens, integers{-1, 0});
  EXPECT_EQ(refused(layers), "layer0.num_accepted_tokens[0]");
}

TEST_P(checked_rings, name_the_sequence_of_a_plan_that_its_ring_cannot_hold) {
  const std::string bound = "ring_plan[0]";
  for (const bool is_eager : {false, true}) {
    const std::string named = is_eager ? bound : "layer0." + bound;
    const auto row = [](std::int32_t start, std::int32_t count, std::int32_t flush,
                        std::int32_t slot) {
      return ring_plan_row{start, count, flush, 2, 1, slot, 8, 0};
    };
    EXPECT_EQ(refused(row(10, 9, 9, 2), is_eager), "");
    EXPECT_EQ(refused(row(99, 99, 99, -1), is_eager), "") << "null";
    EXPECT_EQ(refused(row(0, 0, 0, 9), is_eager), named);
    EXPECT_EQ(refused(row(0, 0, 0, -2), is_eager), named);
    EXPECT_EQ(refused(row(11, 0, 0, 2), is_eager), named);
    EXPECT_EQ(refused(row(-1, 0, 0, 2), is_eager), named);
    EXPECT_EQ(refused(row(0, 10, 0, 2), is_eager), named);
    EXPECT_EQ(refused(row(0, -1, 0, 2), is_eager), named);
    EXPECT_EQ(refused(row(0, 4, 5, 2), is_eager), named);
    EXPECT_EQ(refused(row(0, 4, -1, 2), is_eager), named);
    EXPECT_EQ(refused(row(0, 0, 0, 3), is_eager), named) << "the slot of another sequence";
    EXPECT_EQ(refused(ring_plan_row{0, 0, 0, 1, 1, 2, 8, 0}, is_eager), named) << "a token less";
  }
}

SSUGRAPH_ON_BOTH_TARGETS(checked_rings);

}  // namespace
}  // namespace ssugraph::test
