#include "tests/c_api/c_pipelines.hpp"
#include "tests/graphs/ring_layers.hpp"
#include "tests/support/cursor_model.hpp"

#include <ssugraph/rings.hpp>

#include <gtest/gtest.h>

/** Plans of rings and named sequences of the C API against those of C++, on either target. */
namespace ssugraph::test {
namespace {

using integers = std::vector<std::int64_t>;

constexpr ring_spec spec{.interval = 4,
                         .max_seqlen = 2,
                         .sequences = 4,
                         .layers = 2,
                         .has_accepted = true,
                         .null_block_id = 3};

class c_rings : public c_pipelines {
 protected:
  static void write(ring_layers& layers) {
    layers.write(layers.args().state_batch_indices, integers{1, 5, 3, 2});
    layers.write(layers.args().cu_seqlens, integers{0, 2, 3, 5, 5});
    layers.write(layers.args().num_accepted_tokens, integers{1, 0, 2, 1});
  }
};

TEST_P(c_rings, are_planned_as_in_cpp) {
  ring_layers ours{GetParam(), spec};
  ring_layers theirs{GetParam(), spec};
  write(ours);
  write(theirs);
  const placed_memory plans{where(), 2 * 4 * sizeof(ring_plan_row)};
  const auto plan_at = [&](std::size_t place) {
    return tensor_view{plans.data() + place * 4 * sizeof(ring_plan_row), dtype::int32, {4, 8}};
  };
  const c_tensor plan{plan_at(0), on_gpu()};
  const c_tensor cursor{theirs.args().ring_cursor, on_gpu()};
  const c_tensor indices{theirs.args().state_batch_indices, on_gpu()};
  const c_tensor accepted{theirs.args().num_accepted_tokens, on_gpu()};
  const c_tensor bounds{theirs.args().cu_seqlens, on_gpu()};
  ssugraph_ring_plan_args args{};
  args.struct_size = sizeof args;
  args.ring_plan = &plan.tensor;
  args.ring_cursor = &cursor.tensor;
  args.state_batch_indices = &indices.tensor;
  args.num_accepted_tokens = &accepted.tensor;
  args.cu_seqlens = &bounds.tensor;
  args.null_block_id = 3;
  args.has_null_block = 1;
  args.max_seqlen = 2;
  args.checkpoint_interval = 4;
  args.ring_rows = spec.ring_rows();
  const placed_stream stream{where()};
  for (int step = 0; step < 5; ++step) {
    ASSERT_STATUS(ssugraph_plan_rings(&args, stream.get()), SUCCESS);
    plan_rings({.ring_plan = plan_at(1),
                .ring_cursor = ours.args().ring_cursor,
                .state_batch_indices = ours.args().state_batch_indices,
                .num_accepted_tokens = ours.args().num_accepted_tokens,
                .cu_seqlens = ours.args().cu_seqlens,
                .null_block_id = 3,
                .max_seqlen = 2,
                .checkpoint_interval = 4,
                .ring_rows = spec.ring_rows()},
               stream.get());
    stream.wait();
    std::vector<ring_plan_row> rows(8);
    plans.read(0, std::as_writable_bytes(std::span{rows}));
    EXPECT_EQ(std::vector(rows.begin(), rows.begin() + 4),
              std::vector(rows.begin() + 4, rows.end()));
    EXPECT_EQ(rows[0].slot, 1);
    EXPECT_EQ(rows[2], ring_plan_row{}) << "the null block";
    EXPECT_EQ(theirs.cursors(), ours.cursors());
  }
  args.has_null_block = 0;
  EXPECT_EQ(refused_argument(ssugraph_plan_rings(&args, stream.get())), "has_null_block");
  args.has_null_block = 1;
  args.ring_rows = 6;
  EXPECT_EQ(refused_argument(ssugraph_plan_rings(&args, stream.get())), "ring_rows");
  args.ring_plan = nullptr;
  EXPECT_EQ(refused_argument(ssugraph_plan_rings(&args, stream.get())), "ring_plan");
  args.reserved = 1;
  EXPECT_EQ(refused_argument(ssugraph_plan_rings(&args, stream.get())), "reserved");
  EXPECT_EQ(refused_argument(ssugraph_plan_rings(nullptr, stream.get())), "args");
}

TEST_P(c_rings, are_planned_from_trackers) {
  ring_layers layers{GetParam(), spec};
  layers.write(layers.args().state_batch_indices, integers{1, 0, 9, 2});
  const placed_memory memory{where(), 512};
  const std::vector<std::int32_t> starts{0, 3, 6};
  const std::vector<std::int32_t> counts{2, 3, 4};
  placed_memory trackers{where(), 64};
  trackers.write(0, std::as_bytes(std::span{starts}));
  trackers.write(32, std::as_bytes(std::span{counts}));
  const c_tensor plan{tensor_view{memory.data(), dtype::int32, {4, 8}}, on_gpu()};
  const c_tensor start{tensor_view{trackers.data(), dtype::int32, {3}}, on_gpu()};
  const c_tensor count{tensor_view{trackers.data() + 32, dtype::int32, {3}}, on_gpu()};
  const c_tensor indices{layers.args().state_batch_indices, on_gpu()};
  ssugraph_tracker_plan_args args{};
  args.struct_size = sizeof args;
  args.ring_plan = &plan.tensor;
  args.ring_start = &start.tensor;
  args.prev_tokens = &count.tensor;
  args.state_batch_indices = &indices.tensor;
  args.checkpoint_interval = 4;
  const placed_stream stream{where()};
  ASSERT_STATUS(ssugraph_plan_from_trackers(&args, stream.get()), SUCCESS);
  stream.wait();
  std::vector<ring_plan_row> rows(4);
  memory.read(0, std::as_writable_bytes(std::span{rows}));
  const std::vector<ring_plan_row> expected{
      {3, 3, 0, 1, 1, 1, 0, 0}, {0, 2, 0, 1, 1, 0, 0, 0}, {}, {6, 4, 4, 1, 1, 2, 0, 0}};
  EXPECT_EQ(rows, expected) << "without a null block, slot 0 is somebody's";
  args.prev_tokens = nullptr;
  EXPECT_EQ(refused_argument(ssugraph_plan_from_trackers(&args, stream.get())), "prev_tokens");
  args.reserved = 1;
  EXPECT_EQ(refused_argument(ssugraph_plan_from_trackers(&args, stream.get())), "reserved");
}

TEST_P(c_rings, of_layers_that_name_their_sequences) {
  ring_layers ours{GetParam(), spec};
  ring_layers theirs{GetParam(), spec};
  write(ours);
  write(theirs);
  const mamba_config config;
  c_builder builder;
  const std::vector<std::int32_t> buckets{2, 4};
  ASSERT_NO_FATAL_FAILURE(create(builder, config, buckets));
  c_args shared{theirs.args(), on_gpu()};
  ssugraph_sequence_group group{};
  group.struct_size = sizeof group;
  group.state_batch_indices = shared.args.state_batch_indices;
  group.num_accepted_tokens = shared.args.num_accepted_tokens;
  group.cu_seqlens = shared.args.cu_seqlens;
  group.ring_cursor = shared.args.ring_cursor;
  group.null_block_id = 3;
  group.max_seqlen = 2;
  group.checkpoint_interval = 4;
  EXPECT_EQ(refused_argument(ssugraph_builder_sequences(builder, "target", &group)),
            "has_null_block");
  group.has_null_block = 1;
  EXPECT_EQ(refused_argument(ssugraph_builder_sequences(builder, "target", nullptr)), "group");
  EXPECT_EQ(refused_argument(ssugraph_builder_sequences(builder, "", &group)), "name");
  ASSERT_STATUS(ssugraph_builder_sequences(builder, "target", &group), SUCCESS);
  const ssugraph_ssu_options options{sizeof options, 0, 0, "target"};
  const ssugraph_ssu_options of_nobody{sizeof of_nobody, 0, 0, "nobody"};
  for (std::size_t layer = 0; layer < spec.layers; ++layer) {
    c_args args{theirs.args(layer), on_gpu()};
    const std::string name = ring_layers::name_of(layer);
    EXPECT_EQ(refused_argument(ssugraph_builder_ssu(builder, name.c_str(), args.get(), &options)),
              "has_null_block");
    args.args.has_null_block = 0;
    args.args.null_block_id = 0;
    EXPECT_EQ(refused_argument(ssugraph_builder_ssu(builder, name.c_str(), args.get(), &options)),
              name + ".state_batch_indices");
    args.args.state_batch_indices = args.args.num_accepted_tokens = nullptr;
    args.args.cu_seqlens = args.args.ring_cursor = nullptr;
    args.args.max_seqlen = args.args.checkpoint_interval = 0;
    EXPECT_EQ(refused_argument(ssugraph_builder_ssu(builder, name.c_str(), args.get(), &of_nobody)),
              name + ".sequences");
    ASSERT_STATUS(ssugraph_builder_ssu(builder, name.c_str(), args.get(), &options), SUCCESS);
  }
  const placed_stream stream{where()};
  c_lane lane;
  ASSERT_NO_FATAL_FAILURE(make_lane(builder, stream.get(), lane));
  pipeline_builder cpp{config, bucket_policy{buckets}, GetParam()};
  ours.add_to(cpp);
  ssugraph::lane expected = cpp.build().make_lane(stream.get());
  for (const std::int32_t batch : {4, 2, 4, 3}) {
    ASSERT_STATUS(ssugraph_lane_replay(lane, batch, stream.get()), SUCCESS);
    expected.replay(batch, stream.get());
  }
  stream.wait();
  EXPECT_EQ(theirs.cursors(), ours.cursors());
  EXPECT_NE(theirs.cursors()[1], ring_cursor{});
}

SSUGRAPH_ON_BOTH_TARGETS(c_rings);

}  // namespace
}  // namespace ssugraph::test
