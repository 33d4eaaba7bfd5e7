#include "tests/graphs/ring_layers.hpp"

#include <gtest/gtest.h>

#include <functional>

/** Which layers may stand on one cursor, and which memory layers with rings may not share. */
namespace ssugraph::test {
namespace {

constexpr ring_spec spec{.interval = 8,
                         .max_seqlen = 2,
                         .spare_rows = 2,
                         .sequences = 4,
                         .layers = 2,
                         .has_accepted = true};

class shared_cursors : public target_suite {
 protected:
  /** What is refused of the second of two layers, changed by `change`. */
  static std::string refused(const std::function<void(ssu_args&)>& change,
                             ssu_options options = {}) {
    ring_layers layers{GetParam(), spec};
    change(layers.args(1));
    pipeline_builder builder{{}, bucket_policy{{4}}, GetParam()};
    builder.ssu("first", layers.args(0));
    try {
      builder.ssu("second", layers.args(1), options);
    } catch (const invalid_argument& error) {
      return error.argument();
    }
    return "no error";
  }

  static tensor_view moved(const tensor_view& tensor, std::int64_t bytes) {
    return tensor.at(static_cast<std::byte*>(tensor.data()) + bytes);
  }
};

TEST_P(shared_cursors, are_of_layers_that_agree) {
  const ring_layers other{GetParam(), spec};
  EXPECT_EQ(refused([](ssu_args&) {}), "no error");
  EXPECT_EQ(
      refused([&](ssu_args& args) { args.state_batch_indices = other.args().state_batch_indices; }),
      "second.state_batch_indices");
  EXPECT_EQ(refused([](ssu_args& args) { args.state_batch_indices = {}; }),
            "second.state_batch_indices");
  EXPECT_EQ(refused([&](ssu_args& args) { args.cu_seqlens = other.args().cu_seqlens; }),
            "second.cu_seqlens");
  EXPECT_EQ(
      refused([&](ssu_args& args) { args.num_accepted_tokens = other.args().num_accepted_tokens; }),
      "second.num_accepted_tokens");
  EXPECT_EQ(refused([](ssu_args& args) { args.num_accepted_tokens = {}; }),
            "second.num_accepted_tokens");
  EXPECT_EQ(refused([](ssu_args& args) { args.checkpoint_interval = 7; }),
            "second.checkpoint_interval");
  EXPECT_EQ(refused([](ssu_args& args) { args.null_block_id = 3; }), "second.null_block_id");
  EXPECT_EQ(refused([](ssu_args& args) {
              for (auto ring : {&ssu_args::x_ring, &ssu_args::B_ring, &ssu_args::dt_ring})
                args.*ring = (args.*ring).with_extent(2, spec.ring_rows() - 1);
            }),
            "second.x_ring");
}

TEST_P(shared_cursors, and_those_that_are_not_lie_apart) {
  const ring_layers other{GetParam(), spec};
  EXPECT_EQ(refused([&](ssu_args& args) { args.ring_cursor = other.args().ring_cursor; }),
            "no error");
  EXPECT_EQ(refused([](ssu_args& args) { args.ring_cursor = moved(args.ring_cursor, 16); }),
            "second.ring_cursor");
}

TEST_P(shared_cursors, lie_apart_from_what_others_keep_or_read) {
  ring_layers layers{GetParam(), spec};
  const ring_layers other{GetParam(), spec};
  const auto refused_on = [&](tensor_view ssu_args::*member) {
    ssu_args args = other.args(1);
    args.ring_cursor = args.ring_cursor.at((layers.args(0).*member).data());
    pipeline_builder builder{{}, bucket_policy{{4}}, GetParam()};
    builder.ssu("first", layers.args(0));
    try {
      builder.ssu("second", args);
    } catch (const invalid_argument& error) {
      return error.argument();
    }
    return std::string{"no error"};
  };
  EXPECT_EQ(refused_on(&ssu_args::state), "second.ring_cursor");
  EXPECT_EQ(refused_on(&ssu_args::x_ring), "second.ring_cursor");
  EXPECT_EQ(refused_on(&ssu_args::state_batch_indices), "second.ring_cursor");
  EXPECT_EQ(refused_on(&ssu_args::cu_seqlens), "second.ring_cursor");
}

TEST_P(shared_cursors, do_not_make_states_and_rings_shared) {
  for (auto member : {&ssu_args::state, &ssu_args::x_ring, &ssu_args::B_ring, &ssu_args::dt_ring}) {
    ring_layers layers{GetParam(), spec};
    layers.args(1).*member = layers.args(0).*member;
    pipeline_builder builder{{}, bucket_policy{{4}}, GetParam()};
    builder.ssu("first", layers.args(0));
    try {
      builder.ssu("second", layers.args(1));
      ADD_FAILURE();
    } catch (const invalid_argument& error) {
      EXPECT_EQ(error.argument(), member == &ssu_args::state    ? "second.state"
                                  : member == &ssu_args::x_ring ? "second.x_ring"
                                  : member == &ssu_args::B_ring ? "second.B_ring"
                                                                : "second.dt_ring");
    }
  }
  EXPECT_EQ(refused([](ssu_args&) {}, {.shares_state = true}), "second.shares_state");
}

TEST_P(shared_cursors, keep_their_states_from_layers_that_share_without_rings) {
  ring_layers layers{GetParam(), spec};
  pipeline_builder builder{{}, bucket_policy{{4}}, GetParam()};
  builder.ssu("first", layers.args(0));
  ssu_args plain = layers.args(1);
  for (auto member : {&ssu_args::x_ring, &ssu_args::B_ring, &ssu_args::dt_ring,
                      &ssu_args::ring_cursor, &ssu_args::num_accepted_tokens})
    plain.*member = {};
  builder.ssu("apart", plain);
  plain.state = layers.args(0).state;
  try {
    builder.ssu("shares", plain, {.shares_state = true});
    ADD_FAILURE();
  } catch (const invalid_argument& error) {
    EXPECT_EQ(error.argument(), "shares.state");
  }
}

TEST_P(shared_cursors, are_rebound_together) {
  const ring_layers layers{GetParam(), spec};
  const ring_layers other{GetParam(), spec};
  const placed_stream stream{where()};
  pipeline_builder builder{{}, bucket_policy{{4}}, GetParam()};
  layers.add_to(builder);
  const pipeline built = builder.build();
  lane lane = built.make_lane(stream.get());
  const auto bindings = [&](const char* tensor, const tensor_view& to, std::vector<int> steps) {
    std::vector<binding> all;
    for (const int step : steps)
      all.push_back({ring_layers::name_of(static_cast<std::size_t>(step)), tensor, to.data()});
    return all;
  };
  const auto refused = [&](const std::vector<binding>& bound) {
    std::string first;
    try {
      (void)lane.rebind(bound);
    } catch (const invalid_argument& error) {
      first = error.argument();
    }
    try {
      (void)built.make_lane(stream.get(), bound);
      EXPECT_EQ(first, "");
    } catch (const invalid_argument& error) {
      EXPECT_EQ(error.argument(), first);
    }
    return first;
  };
  const tensor_view& cursor = other.args().ring_cursor;
  EXPECT_EQ(refused(bindings("ring_cursor", cursor, {1})), "layer1.ring_cursor");
  EXPECT_EQ(refused(bindings("ring_cursor", cursor, {0})), "layer1.ring_cursor");
  EXPECT_EQ(refused(bindings("ring_cursor", cursor, {0, 1})), "");
  const tensor_view& indices = other.args().state_batch_indices;
  EXPECT_EQ(refused(bindings("state_batch_indices", indices, {1})), "layer1.state_batch_indices");
  EXPECT_EQ(refused(bindings("state_batch_indices", indices, {0, 1})), "");
  EXPECT_EQ(refused(bindings("x_ring", layers.args(0).x_ring, {1})), "layer1.x_ring");
}

SSUGRAPH_ON_BOTH_TARGETS(shared_cursors);

}  // namespace
}  // namespace ssugraph::test
