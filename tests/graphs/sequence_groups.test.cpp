#include "tests/graphs/ring_layers.hpp"

#include <gtest/gtest.h>

#include <functional>

/** Layers that name their sequences instead of binding what tells of them. */
namespace ssugraph::test {
namespace {

using integers = std::vector<std::int64_t>;

constexpr ring_spec spec{.interval = 4,
                         .max_seqlen = 2,
                         .sequences = 4,
                         .layers = 2,
                         .has_accepted = true,
                         .has_key = true,
                         .null_block_id = 3};

sequence_group group_of(const ssu_args& args) {
  return {.state_batch_indices = args.state_batch_indices,
          .dst_state_batch_indices = {},
          .num_accepted_tokens = args.num_accepted_tokens,
          .cu_seqlens = args.cu_seqlens,
          .ring_cursor = args.ring_cursor,
          .ring_plan = {},
          .rounding_key = args.rounding_key,
          .null_block_id = args.null_block_id,
          .max_seqlen = args.max_seqlen,
          .checkpoint_interval = args.checkpoint_interval};
}

ssu_args without_group(ssu_args args) {
  for (auto member : {&ssu_args::state_batch_indices, &ssu_args::num_accepted_tokens,
                      &ssu_args::cu_seqlens, &ssu_args::ring_cursor, &ssu_args::rounding_key})
    args.*member = {};
  args.null_block_id = ssu_args{}.null_block_id;
  args.max_seqlen = ssu_args{}.max_seqlen;
  args.checkpoint_interval = ssu_args{}.checkpoint_interval;
  return args;
}

class sequence_groups : public target_suite {
 protected:
  static pipeline_builder builder() {
    return {{.stochastic_rounding = true}, bucket_policy{{2, 4}}, GetParam()};
  }
  static void add_by_name(pipeline_builder& to, const ring_layers& layers,
                          const std::string& group) {
    to.sequences(group, group_of(layers.args()));
    for (std::size_t layer = 0; layer < spec.layers; ++layer) {
      to.ssu(group + std::to_string(layer), without_group(layers.args(layer)),
             {.sequences = group});
    }
  }
  static void write(ring_layers& layers, const integers& slots) {
    layers.write(layers.args().state_batch_indices, slots);
    layers.write(layers.args().cu_seqlens, integers{0, 2, 3, 5, 5});
    layers.write(layers.args().num_accepted_tokens, integers{1, 0, 2, 1});
  }
  static std::string refused(const std::function<void()>& call) {
    try {
      call();
    } catch (const invalid_argument& error) {
      return error.argument();
    }
    return "no error";
  }
};

TEST_P(sequence_groups, are_as_what_each_layer_binds) {
  ring_layers named[2] = {{GetParam(), spec}, {GetParam(), spec}};
  ring_layers bound[2] = {{GetParam(), spec}, {GetParam(), spec}};
  const integers slots[2] = {{1, 5, 3, 2}, {8, 0, 1, 4}};
  pipeline_builder by_name = builder();
  pipeline_builder by_step = builder();
  for (std::size_t group = 0; group < 2; ++group) {
    const std::string name = group == 0 ? "target" : "draft";
    add_by_name(by_name, named[group], name);
    for (std::size_t layer = 0; layer < spec.layers; ++layer)
      by_step.ssu(name + std::to_string(layer), bound[group].args(layer));
    write(named[group], slots[group]);
    write(bound[group], slots[group]);
  }
  const placed_stream stream{where()};
  lane one = by_name.build().make_lane(stream.get());
  lane other = by_step.build().make_lane(stream.get());
  for (const std::int32_t batch : {4, 3, 1, 4, 4, 2}) {
    one.replay(batch, stream.get());
    other.replay(batch, stream.get());
  }
  stream.wait();
  for (std::size_t group = 0; group < 2; ++group) {
    EXPECT_EQ(named[group].cursors(), bound[group].cursors());
    EXPECT_EQ(named[group].cursors()[3], ring_cursor{}) << "the null block";
  }
  EXPECT_EQ(named[0].cursors()[1].pending, 2);
  EXPECT_EQ(named[0].cursors()[8], ring_cursor{}) << "a slot of the other group's";
  EXPECT_NE(named[1].cursors()[8], ring_cursor{});
  EXPECT_NE(one.describe_json().find("\"sequences\": \"draft\""), std::string::npos);
  EXPECT_EQ(other.describe_json().find("\"sequences\""), std::string::npos);
}

TEST_P(sequence_groups, are_bound_by_their_name) {
  ring_layers layers{GetParam(), spec};
  ring_layers others{GetParam(), spec};
  write(layers, {1, 5, 3, 2});
  write(others, {6, 7, 0, 1});
  pipeline_builder by_name = builder();
  add_by_name(by_name, layers, "target");
  const pipeline built = by_name.build();
  const placed_stream stream{where()};
  const auto binding_of = [&](const char* step, const char* tensor, tensor_view ssu_args::*member) {
    return binding{step, tensor, (others.args().*member).data()};
  };
  const std::vector<binding> all{
      binding_of("target", "state_batch_indices", &ssu_args::state_batch_indices),
      binding_of("target", "num_accepted_tokens", &ssu_args::num_accepted_tokens),
      binding_of("target", "cu_seqlens", &ssu_args::cu_seqlens),
      binding_of("target", "ring_cursor", &ssu_args::ring_cursor),
      binding_of("target", "rounding_key", &ssu_args::rounding_key)};
  lane rebound = built.make_lane(stream.get());
  rebound.replay(4, stream.get());
  stream.wait();
  const auto before = layers.cursors();
  EXPECT_EQ(before[1].pending, 2);
  (void)rebound.rebind(all);
  rebound.replay(4, stream.get());
  stream.wait();
  EXPECT_EQ(layers.cursors(), before);
  EXPECT_EQ(others.cursors()[6].pending, 2);
  EXPECT_EQ(others.cursors()[1], ring_cursor{}) << "an empty sequence";
  const auto refused_binding = [&](const std::vector<binding>& bindings) {
    return refused([&] { (void)rebound.rebind(bindings); });
  };
  EXPECT_EQ(refused_binding({binding_of("target0", "ring_cursor", &ssu_args::ring_cursor)}),
            "target0.ring_cursor");
  EXPECT_EQ(refused_binding({binding_of("target1", "cu_seqlens", &ssu_args::cu_seqlens)}),
            "target1.cu_seqlens");
  EXPECT_EQ(refused_binding({binding_of("target", "x", &ssu_args::x)}), "target.x");
  EXPECT_EQ(refused_binding({binding_of("target", "nothing", &ssu_args::x)}), "bindings");
  EXPECT_EQ(refused_binding({binding_of("nobody", "cu_seqlens", &ssu_args::x)}), "bindings");
  EXPECT_EQ(refused_binding({all[0], all[0]}), "target.state_batch_indices");
  EXPECT_EQ(refused_binding({binding_of("target", "ring_plan", &ssu_args::ring_cursor)}),
            "target.ring_plan");
  EXPECT_EQ(refused_binding({binding_of("target0", "x", &ssu_args::x)}), "no error");
}

TEST_P(sequence_groups, refuse_what_a_layer_binds_beside_them) {
  const ring_layers layers{GetParam(), spec};
  pipeline_builder to = builder();
  to.sequences("target", group_of(layers.args()));
  const auto refused_step = [&](const std::function<void(ssu_args&)>& change,
                                const std::string& group = "target") {
    ssu_args args = without_group(layers.args());
    change(args);
    return refused([&] { to.ssu("layer", args, {.sequences = group}); });
  };
  const auto nothing = [](ssu_args&) {};
  EXPECT_EQ(refused_step([&](ssu_args& args) { args.cu_seqlens = layers.args().cu_seqlens; }),
            "layer.cu_seqlens");
  EXPECT_EQ(refused_step([&](ssu_args& args) { args.ring_cursor = layers.args().ring_cursor; }),
            "layer.ring_cursor");
  EXPECT_EQ(refused_step([](ssu_args& args) { args.max_seqlen = 3; }), "layer.max_seqlen");
  EXPECT_EQ(refused_step([](ssu_args& args) { args.null_block_id = 4; }), "layer.null_block_id");
  EXPECT_EQ(refused_step([](ssu_args& args) { args.checkpoint_interval = 5; }),
            "layer.checkpoint_interval");
  EXPECT_EQ(refused_step([](ssu_args& args) { args.x_ring = {}; }), "layer.x_ring");
  EXPECT_EQ(refused_step(nothing, "nobody"), "layer.sequences");
  EXPECT_EQ(refused([&] { to.sequences("target", {}); }), "name");
  EXPECT_EQ(refused([&] { to.sequences("", {}); }), "name");
  EXPECT_EQ(refused_step([](ssu_args& args) { args.max_seqlen = spec.max_seqlen; }), "no error");
  EXPECT_EQ(refused([&] { to.sequences("layer", {}); }), "name");
  EXPECT_EQ(refused([&] { to.ssu("target", layers.args()); }), "name");
}

SSUGRAPH_ON_BOTH_TARGETS(sequence_groups);

}  // namespace
}  // namespace ssugraph::test
