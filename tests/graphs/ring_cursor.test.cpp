#include "graphs/builder.hpp"
#include "graphs/layout/lane_layout.hpp"
#include "tests/graphs/ring_layers.hpp"
#include "tests/support/cursor_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

/** Cursors of rings, which the prologue of each replay takes on. */
namespace ssugraph::test {
namespace {

/** One batch: what its index and count tensors hold. */
struct ring_batch {
  std::vector<std::int64_t> slots;
  std::vector<std::int64_t> lengths;
  std::vector<std::int64_t> accepted;
};

class ring_cursors : public target_suite {
 protected:
  static ring_batch random_batch(const ring_spec& spec, std::int64_t live, random_engine& engine) {
    ring_batch batch;
    std::vector<std::int64_t> slots;
    for (std::int64_t slot = 0; slot < spec.slots; ++slot) {
      if (slot != spec.null_block_id) slots.push_back(slot);
    }
    std::ranges::shuffle(slots, engine);
    for (std::int64_t i = 0; i < live; ++i) {
      const bool is_null = spec.has_indices && chance(engine, 0.1);
      batch.slots.push_back(!spec.has_indices ? i
                            : is_null         ? spec.null_block_id
                                              : slots[static_cast<std::size_t>(i)]);
      batch.lengths.push_back(spec.has_bounds() ? pick(engine, 0, spec.max_seqlen) : 1);
      batch.accepted.push_back(pick(engine, 0, spec.max_seqlen));
    }
    return batch;
  }

  static void write(ring_layers& layers, const ring_batch& batch) {
    const ssu_args& args = layers.args();
    const std::int64_t columns = std::max<std::int64_t>(layers.spec().index_columns, 1);
    std::vector<std::int64_t> indices;
    std::vector<std::int64_t> bounds{0};
    for (std::size_t i = 0; i < batch.slots.size(); ++i) {
      indices.push_back(batch.slots[i]);
      indices.insert(indices.end(), static_cast<std::size_t>(columns - 1), 3);
      bounds.push_back(bounds.back() + batch.lengths[i]);
    }
    if (args.state_batch_indices) layers.write(args.state_batch_indices, indices);
    if (args.cu_seqlens) layers.write(args.cu_seqlens, bounds);
    if (args.num_accepted_tokens) layers.write(args.num_accepted_tokens, batch.accepted);
  }

  /** The plan of a batch in a bucket. */
  static std::vector<ring_plan_row> steps_of(cursor_model& model, const ring_spec& spec,
                                             const ring_batch& batch, std::int32_t bucket) {
    std::vector<ring_plan_row> plan(static_cast<std::size_t>(bucket));
    for (std::size_t i = 0; i < batch.slots.size(); ++i) {
      const bool is_null = spec.has_indices && batch.slots[i] == spec.null_block_id;
      if (is_null || batch.lengths[i] == 0) continue;
      plan[i] = model.step(batch.slots[i], batch.lengths[i],
                           spec.has_accepted ? std::optional{batch.accepted[i]} : std::nullopt);
    }
    return plan;
  }

  static void follow_the_model(const ring_spec& spec, lane_call call) {
    ring_layers layers{GetParam(), spec};
    plan_sight sight{GetParam(), spec.sequences};
    const placed_stream stream{where()};
    const auto most = static_cast<std::int32_t>(spec.sequences);
    const bucket_policy buckets{{most / 2, most}};
    pipeline_builder builder{{}, buckets, GetParam()};
    layers.add_to(builder);
    builder.step("sight", sight.step());
    builder.recording({.checked = call == lane_call::run_eager});  // of promises that are kept
    lane lane = builder.build().make_lane(stream.get());
    cursor_model model{spec.slots, spec.interval, spec.ring_rows()};
    random_engine engine{base_seed()};
    for (int step = 0; step < 300; ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      if (chance(engine, 0.05)) {
        const std::int64_t slot = pick(engine, 0, spec.slots - 1);
        const std::int64_t position = pick(engine, 0, 1000);
        const std::int64_t start = pick(engine, 0, spec.ring_rows() - 1);
        model.attach(slot, position, start);
        layers.write_cursor(
            slot, {static_cast<std::int32_t>(start), 0, 0, static_cast<std::int32_t>(position)});
      }
      const auto live = static_cast<std::int32_t>(pick(engine, 0, most));
      const ring_batch batch = random_batch(spec, live, engine);
      write(layers, batch);
      run(lane, call, live, stream.get());
      stream.wait();
      if (live > 0) {
        const std::int32_t bucket = buckets.bucket_for(live);
        std::vector<ring_plan_row> seen = sight.seen();
        seen.resize(static_cast<std::size_t>(bucket));
        ASSERT_EQ(seen, steps_of(model, spec, batch, bucket));
      }
      ASSERT_EQ(layers.cursors(), model.cursors());
    }
  }

  static std::vector<ring_spec> specs() {
    return {
        {.interval = 16},
        {.interval = 3, .has_indices = false},
        {.interval = 1, .has_accepted = true},
        {.interval = 16, .max_seqlen = 4, .has_accepted = true},
        {.interval = 8, .max_seqlen = 8, .has_accepted = true, .null_block_id = -1},
        {.interval = 16, .max_seqlen = 16, .index_dtype = dtype::int64, .has_accepted = true},
        {.interval = 64, .max_seqlen = 3, .spare_rows = 7, .index_columns = 2},
        {.interval = 5, .max_seqlen = 2, .has_indices = false, .has_accepted = true},
    };
  }
};

TEST_P(ring_cursors, follow_a_plain_model_in_replays) {
  for (const ring_spec& spec : specs()) {
    SCOPED_TRACE("W " + std::to_string(spec.interval) + ", T " + std::to_string(spec.max_seqlen));
    follow_the_model(spec, lane_call::replay);
    if (HasFatalFailure()) return;
  }
}

TEST_P(ring_cursors, follow_a_plain_model_in_eager_runs) {
  for (const ring_spec& spec : specs()) {
    SCOPED_TRACE("W " + std::to_string(spec.interval) + ", T " + std::to_string(spec.max_seqlen));
    follow_the_model(spec, lane_call::run_eager);
    if (HasFatalFailure()) return;
  }
}

TEST_P(ring_cursors, that_no_step_left_are_left_alone) {
  ring_layers layers{GetParam(), {.interval = 4, .max_seqlen = 2}};
  plan_sight sight{GetParam(), 6};
  const placed_stream stream{where()};
  pipeline_builder builder{{}, bucket_policy{{6}}, GetParam()};
  builder.recording({.checked = false});
  layers.add_to(builder);
  builder.step("sight", sight.step());
  lane lane = builder.build().make_lane(stream.get());
  const std::vector<ring_cursor> before{{},           {-1, 0, 0, 0}, {7, 0, 0, 0}, {0, 4, 0, 0},
                                        {0, 0, 8, 0}, {0, 0, 0, -1}, {6, 2, 2, 9}};
  for (std::size_t slot = 0; slot < before.size(); ++slot)
    layers.write_cursor(static_cast<std::int64_t>(slot), before[slot]);
  layers.write(layers.args().state_batch_indices, std::vector<std::int64_t>{1, 2, 3, 4, 5, 6});
  layers.write(layers.args().cu_seqlens, std::vector<std::int64_t>{0, 2, 4, 6, 8, 10, 12});
  lane.replay(6, stream.get());
  stream.wait();
  const std::vector<ring_cursor> after = layers.cursors();
  for (std::size_t slot = 0; slot < 6; ++slot)
    EXPECT_EQ(after[slot], before[slot]) << "slot " << slot;
  EXPECT_EQ(after[6], (ring_cursor{2, 1, 2, 12}));
  std::vector<ring_plan_row> expected(6);
  expected[5] = {6, 4, 3, 2, 2, 6, 12, 0};
  EXPECT_EQ(sight.seen(), expected);
}

TEST_P(ring_cursors, of_two_layers_go_on_each_by_itself) {
  ring_layers layers{GetParam(), {.interval = 4, .sequences = 2, .layers = 2}};
  ring_layers others{GetParam(), {.interval = 4, .sequences = 2, .layers = 1}};
  const placed_stream stream{where()};
  pipeline_builder builder{{}, bucket_policy{{2}}, GetParam()};
  layers.add_to(builder);
  builder.ssu("other", others.args());
  lane lane = builder.build().make_lane(stream.get());
  layers.write(layers.args().state_batch_indices, std::vector<std::int64_t>{1, 2});
  others.write(others.args().state_batch_indices, std::vector<std::int64_t>{5, 0});
  for (int step = 0; step < 6; ++step)
    lane.replay(2, stream.get());
  stream.wait();
  const ring_cursor stepped{.start = 4, .count = 1, .pending = 1, .position = 4};
  EXPECT_EQ(layers.cursors()[1], stepped);
  EXPECT_EQ(layers.cursors()[2], stepped);
  EXPECT_EQ(layers.cursors()[5], ring_cursor{});
  EXPECT_EQ(others.cursors()[5], stepped);
  EXPECT_EQ(others.cursors()[0], ring_cursor{});
  EXPECT_EQ(others.cursors()[1], ring_cursor{});
}

TEST_P(ring_cursors, go_on_where_a_lane_binds_them) {
  ring_layers built_on{GetParam(), {.interval = 4, .sequences = 2, .layers = 2}};
  ring_layers bound{GetParam(), {.interval = 4, .sequences = 2, .layers = 2}};
  const placed_stream stream{where()};
  pipeline_builder builder{{}, bucket_policy{{2}}, GetParam()};
  built_on.add_to(builder);
  lane lane = builder.build().make_lane(stream.get());
  built_on.write(built_on.args().state_batch_indices, std::vector<std::int64_t>{1, 2});
  lane.replay(2, stream.get());
  stream.wait();
  const std::vector<ring_cursor> before = built_on.cursors();
  EXPECT_EQ(before[1], (ring_cursor{0, 0, 1, 0}));
  std::vector<binding> bindings;
  for (const std::string& layer : {std::string{"layer0"}, std::string{"layer1"}})
    bindings.push_back({layer, "ring_cursor", bound.args().ring_cursor.data()});
  (void)lane.rebind(bindings);
  lane.replay(1, stream.get());
  stream.wait();
  EXPECT_EQ(built_on.cursors(), before);
  EXPECT_EQ(bound.cursors()[1], (ring_cursor{0, 0, 1, 0}));
  EXPECT_EQ(bound.cursors()[2], ring_cursor{});
}

TEST_P(ring_cursors, give_way_to_bound_plans) {
  ring_layers layers{GetParam(), {.interval = 4, .sequences = 4, .layers = 1, .has_plan = true}};
  plan_sight sight{GetParam(), 4};
  const placed_stream stream{where()};
  pipeline_builder builder{{}, bucket_policy{{4}}, GetParam()};
  layers.add_to(builder);
  builder.step("sight", sight.step());
  lane lane = builder.build().make_lane(stream.get());
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < 4; ++i)
    rows.insert(rows.end(), {i, 1, 0, 1, 1, i + 2, 40 + i, 0});
  layers.write(layers.args().ring_plan, rows);
  layers.write(layers.args().state_batch_indices, std::vector<std::int64_t>{2, 3, 4, 5});
  lane.replay(3, stream.get());
  stream.wait();
  std::vector<ring_plan_row> expected(4);
  for (std::int32_t i = 0; i < 3; ++i)
    expected[static_cast<std::size_t>(i)] = {i, 1, 0, 1, 1, i + 2, 40 + i, 0};
  EXPECT_EQ(sight.seen(), expected);
  EXPECT_EQ(layers.read(layers.args().ring_plan), rows);
}

SSUGRAPH_ON_BOTH_TARGETS(ring_cursors);

TEST(keyed_seeds, are_the_same_in_every_replay) {
  const ring_layers keyed{target::host, {.layers = 2, .has_key = true}};
  const ring_layers plain{target::host, {.layers = 1}};
  pipeline_builder builder{{.stochastic_rounding = true}, bucket_policy{{6}}, target::host};
  builder.ssu("keyed0", keyed.args(0));
  builder.step("custom", [](const step_context&, stream_handle) {}, {.seeds = 2});
  builder.ssu("plain", plain.args(0)).ssu("keyed1", keyed.args(1));
  const auto core = detail::pipeline_draft::of(builder).resolve();
  detail::lane_layout layout{*core, detail::built_steps(*core)};
  arena memory{layout.bytes()};
  layout.place(memory.data());
  const std::uint64_t seed = 77;
  for (const std::uint64_t next : {std::uint64_t{0}, std::uint64_t{1000}}) {
    *layout.random() = {seed, next};
    detail::draw_seeds(layout.prologue(6, 6), detail::alone);
    const auto seed_of = [&](std::size_t step) {
      const auto place = static_cast<std::size_t>(ssu_tensor::rand_seed);
      return *static_cast<const std::int64_t*>(layout.step_tensors(step, 6)[place].data());
    };
    EXPECT_EQ(seed_of(0), detail::draw_seed(seed, 0));
    EXPECT_EQ(layout.context(1, 6).seeds[0], detail::draw_seed(seed, next + 1));
    EXPECT_EQ(layout.context(1, 6).seeds[1], detail::draw_seed(seed, next + 2));
    EXPECT_EQ(seed_of(2), detail::draw_seed(seed, next + 3));
    EXPECT_EQ(seed_of(3), detail::draw_seed(seed, 4));
  }
}

TEST(lanes_with_rings, take_no_more_memory_than_they_said) {
  const ring_layers layers{target::host, {.layers = 2, .has_key = true}};
  const ring_layers other{target::host, {.layers = 1, .has_plan = true}};
  pipeline_builder builder{{.stochastic_rounding = true}, bucket_policy{{6}}, target::host};
  layers.add_to(builder);
  builder.ssu("other", other.args()).recording({.checked = true});
  const auto core = detail::pipeline_draft::of(builder).resolve();
  detail::lane_layout layout{*core, detail::built_steps(*core)};
  arena memory{layout.bytes()};
  layout.place(memory.data());
  const auto first = reinterpret_cast<std::uintptr_t>(memory.data());
  for (const std::size_t step : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
    const tensor_view plan =
        layout.step_tensors(step, 6)[static_cast<std::size_t>(ssu_tensor::ring_plan)];
    const auto end = reinterpret_cast<std::uintptr_t>(plan.data()) + 6 * sizeof(ring_plan_row);
    EXPECT_LE(end - first, layout.bytes()) << "step " << step;
    EXPECT_FALSE(layout.step_tensors(step, 6)[static_cast<std::size_t>(ssu_tensor::ring_cursor)]);
  }
  EXPECT_LE(static_cast<std::byte*>(layout.table_address()) + layout.tables().size(),
            memory.data() + layout.bytes());
}

}  // namespace
}  // namespace ssugraph::test
